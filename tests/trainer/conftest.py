"""Tiny models, drawn pictures and a config for them, made once for this room."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from loratui import kohya_config
from loratui.events import Event
from loratui.trainer.__main__ import guarded
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.settings.options import Options
from loratui.trainer.stopping import StopRequest

Some = TypeVar("Some", bound=Event)
WriteConfig = Callable[..., Path]


@dataclass
class Told:
    """What a trainer said, and its exit code."""

    code: int
    events: list[Event]

    def of(self, kind: type[Some]) -> list[Some]:
        """The events of one type, in order."""
        return [event for event in self.events if isinstance(event, kind)]


Train = Callable[..., Told]


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny diffusers folder by family."""
    from loratui.trainer.tiny_model import make

    folder = tmp_path_factory.mktemp("models")
    for family in ("sd15", "sd2", "sdxl"):
        make(folder / family, family, seed=1)
    return {family: folder / family for family in ("sd15", "sd2", "sdxl")}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four squares and two tall pictures in ``2_ohwx``: 12 an epoch, in two buckets."""
    from PIL import Image, ImageDraw

    folder = tmp_path_factory.mktemp("pictures")
    (folder / "2_ohwx").mkdir()
    for index in range(6):
        size = (64, 64) if index < 4 else (64, 128)
        image = Image.new("RGB", size, (40 * index, 90, 200 - 30 * index))
        ImageDraw.Draw(image).ellipse((10, 10, 50, 40 + 4 * index), fill=(255 - 40 * index, 200, 40))
        image.save(folder / "2_ohwx" / f"{index}.png")
        (folder / "2_ohwx" / f"{index}.txt").write_text(f"ohwx, number {index}, flat, round")
    return folder


@pytest.fixture
def write_config(tmp_path: Path, tiny_models: dict[str, Path], pictures: Path) -> WriteConfig:
    """Writes a config.toml for a short training; keywords change or (None) remove keys."""

    def write(family: str = "sd15", **changes: Any) -> Path:
        values: dict[str, Any] = {
            "pretrained_model_name_or_path": str(tiny_models[family]),
            "train_data_dir": str(pictures),
            "caption_extension": ".txt",
            "resolution": "64,128",
            "enable_bucket": True,
            "min_bucket_reso": 64,
            "max_bucket_reso": 128,
            "network_module": "networks.lora",
            "network_dim": 4,
            "network_alpha": 2,
            "network_train_unet_only": True,
            "learning_rate": 1e-2,
            "train_batch_size": 4,
            "max_train_steps": 3,
            "cache_latents": True,
            "seed": 7,
            "output_dir": str(tmp_path / "out"),
            "output_name": "tiny",
            **changes,
        }
        path = tmp_path / f"config{random.randrange(10**9)}.toml"
        path.write_text(kohya_config.dumps({"all": values}))
        return path

    return write


@pytest.fixture
def train(write_config: WriteConfig) -> Train:
    """Trains in this process."""

    def run(
        family: str = "sd15",
        stop: StopRequest | None = None,
        options: Options | None = None,
        watch: Callable[[Event], None] = lambda event: None,
        **changes: Any,
    ) -> Told:
        from accelerate.state import AcceleratorState

        # One process is one training, except here: its precision must not stick.
        AcceleratorState._reset_state(reset_partial_state=True)
        told: list[Event] = []

        def emit(event: Event) -> None:
            told.append(event)
            watch(event)

        config = write_config(family, **changes)
        code = guarded(config, Reporter(emit), stop or StopRequest(), options)
        return Told(code, told)

    return run
