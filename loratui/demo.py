"""The demo: drawn pictures, a tiny model with random weights, and a recipe that trains on them.

All of it is made on this machine in seconds; nothing is downloaded.
"""

from __future__ import annotations

import math
import random
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from loratui import places, python_path
from loratui.problems import Problem, UserError
from loratui.recipe import (
    Base,
    Dataset,
    Network,
    Optimizer,
    Output,
    Recipe,
    Samples,
    Steps,
    Training,
)

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

NOTE = "Demo: the tiny model has random weights, so its sample pictures stay noise. The loss is real."
TRIGGER = "ohwx"
SIDE = 64
"""Pixels; the smallest side a bucket may have."""
REPEATS = 10
SHAPES = ("circle", "square", "triangle", "ring", "cross", "stripes", "dots", "star")


def folder() -> Path:
    """Where the demo's pictures and model lie."""
    return places.home() / "demo"


def is_model(model: str) -> bool:
    """Whether a base model is the demo's, which is next to nothing in memory and on the disk."""
    return bool(model) and Path(model).parent == folder()


def recipe() -> Recipe:
    """The demo's recipe. Its files may not exist yet: ``make_pictures`` and ``make_model``."""
    return Recipe(
        base=Base(model=str(folder() / "model"), family="sd15"),
        dataset=Dataset(folder=str(folder() / "pictures"), trigger=TRIGGER, purpose="trial"),
        steps=Steps(epochs=10, batch_size=4),
        network=Network(rank=16, alpha=16.0),
        optimizer=Optimizer(name="AdamW", unet_rate=2e-3, schedule="constant"),
        training=Training(resolution=(SIDE, SIDE), bucket_min=SIDE, bucket_max=2 * SIDE),
        samples=Samples(
            prompts=(f"{TRIGGER}, circle", f"{TRIGGER}, star"),
            every_epochs=5,
            steps=8,
            width=SIDE,
            height=SIDE,
        ),
        output=Output(name="demo", save_every_epochs=5),
    )


def make_pictures() -> Path:
    """Draw the pictures and their captions where they are missing. Returns the dataset folder."""
    from PIL import Image, ImageDraw

    target = folder() / "pictures" / f"{REPEATS}_{TRIGGER}"
    target.mkdir(parents=True, exist_ok=True)
    for index, shape in enumerate(SHAPES):
        picture, caption = target / f"{shape}.png", target / f"{shape}.txt"
        if picture.exists() and caption.exists():
            continue
        image = Image.new("RGB", (SIDE, SIDE), _colour(index, 0.25))
        _draw(ImageDraw.Draw(image), shape, _colour(index + 3, 0.95))
        image.save(picture)
        caption.write_text(f"{TRIGGER}, {shape}, flat colours", encoding="utf-8")
    return target.parent


def make_model() -> Path:
    """Make the tiny model where it is missing (about ten seconds). Returns its folder.

    Raises ``UserError`` when the training libraries are not installed or the model cannot be made.
    """
    target = folder() / "model"
    if (target / "model_index.json").is_file():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    command = python_path.own("loratui.trainer.tiny_model", str(target))
    made = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if made.returncode != 0:
        last_line = (made.stderr.strip().splitlines() or ["no reason was given"])[-1]
        raise UserError(
            str(target), Problem("", f"the tiny model could not be made: {last_line}", "See README, Install.")
        )
    return target


def _colour(index: int, brightness: float) -> tuple[int, int, int]:
    """Colours around the wheel."""
    angles = (index * 0.8, index * 0.8 + 2.1, index * 0.8 + 4.2)
    red, green, blue = (round(255 * brightness * (0.55 + 0.45 * math.sin(angle))) for angle in angles)
    return red, green, blue


def _draw(draw: ImageDraw, shape: str, colour: tuple[int, int, int]) -> None:
    low, middle, high = SIDE * 0.2, SIDE * 0.5, SIDE * 0.8
    box = (low, low, high, high)
    match shape:
        case "circle":
            draw.ellipse(box, fill=colour)
        case "square":
            draw.rectangle(box, fill=colour)
        case "triangle":
            draw.polygon([(middle, low), (high, high), (low, high)], fill=colour)
        case "ring":
            draw.ellipse(box, outline=colour, width=SIDE // 10)
        case "cross":
            draw.line((low, low, high, high), fill=colour, width=SIDE // 8)
            draw.line((low, high, high, low), fill=colour, width=SIDE // 8)
        case "stripes":
            for top in range(0, SIDE, SIDE // 8):
                draw.rectangle((0, top, SIDE, top + SIDE // 16), fill=colour)
        case "dots":
            scatter = random.Random(0)
            for _ in range(12):
                x, y = scatter.uniform(0, SIDE), scatter.uniform(0, SIDE)
                draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
        case _:
            draw.polygon([_star_point(turn, middle, high - middle) for turn in range(10)], fill=colour)


def _star_point(turn: int, middle: float, radius: float) -> tuple[float, float]:
    reach = radius if turn % 2 == 0 else radius * 0.4
    angle = turn * math.pi / 5
    return middle + reach * math.sin(angle), middle - reach * math.cos(angle)
