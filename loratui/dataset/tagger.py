"""A tagger in ONNX: what a picture shows, as booru tags with probabilities.

WD14 v3 and its like (SmilingWolf's model cards; sd-scripts finetune/tag_images_by_wd14_tagger.py):
transparency on white, padded with white to a square, the model's own size, blue-green-red, float32 from 0 to
255, height before width before channel; the outputs are probabilities.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from loratui import places
from loratui.places import expanded
from loratui.problems import refusal

if TYPE_CHECKING:
    from PIL import Image

DEFAULT_MODEL = "SmilingWolf/wd-vit-tagger-v3"
"""The smallest of the third version: F1 0.440 where the largest, wd-eva02-large-tagger-v3, has 0.477."""

FILES = ("model.onnx", "selected_tags.csv")
GENERAL, CHARACTER, RATING = 0, 4, 9
"""Categories of ``selected_tags.csv``."""


class Tag(NamedTuple):
    """One tag of one picture."""

    name: str
    category: int
    probability: float


@dataclass(frozen=True, slots=True)
class _Known:
    name: str
    category: int


class Tagger:
    """A model, loaded. Raises ``UserError`` when it cannot be, or is none."""

    def __init__(self, folder: Path) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise refusal(
                folder, "tagging wants the package onnxruntime.", 'Install it: pip install "loratui[tag]"'
            ) from None
        self._tags = _read_tags(folder / FILES[1])
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(folder / FILES[0]), options, providers=onnxruntime.get_available_providers()
            )
        except Exception as error:  # onnxruntime's own kinds have no common class
            raise refusal(
                folder / FILES[0], f"this model cannot be loaded: {error}.", "Fetch it once more."
            ) from None
        entry = self._session.get_inputs()[0]
        self._input = entry.name
        shape = entry.shape
        if len(shape) != 4 or shape[3] != 3 or not isinstance(shape[1], int):
            raise refusal(
                folder, f"its input {shape} is not a batch of height x width x 3.", "Take a WD14 tagger."
            )
        self.size: int = shape[1]
        """Pixels of each side of what it looks at."""

    def tag(self, pictures: Sequence[Image.Image], least: float = 0.05) -> list[list[Tag]]:
        """The tags of each picture that reach ``least``, the likeliest first."""
        import numpy as np

        batch = np.stack([prepare(picture, self.size) for picture in pictures])
        (found,) = self._session.run(None, {self._input: batch})[:1]
        if found.shape[1] != len(self._tags):
            raise refusal(
                FILES[1],
                f"it names {len(self._tags):,} tags, and the model knows {found.shape[1]:,}.",
                "Take both files from the same place.",
            )
        return [
            sorted(
                (
                    Tag(known.name, known.category, float(value))
                    for known, value in zip(self._tags, row, strict=True)
                    if value >= least
                ),
                key=lambda tag: -tag.probability,
            )
            for row in found
        ]


def prepare(picture: Image.Image, size: int) -> Any:
    """A picture as the model wants it: float32, (size, size, 3), blue-green-red, 0 to 255."""
    import numpy as np
    from PIL import Image

    whole = picture.convert("RGBA")
    flat = Image.new("RGBA", whole.size, (255, 255, 255, 255))
    flat.alpha_composite(whole)
    side = max(flat.size)
    square = Image.new("RGB", (side, side), (255, 255, 255))
    square.paste(flat.convert("RGB"), ((side - flat.width) // 2, (side - flat.height) // 2))
    if side != size:
        square = square.resize((size, size), Image.Resampling.BICUBIC)
    return np.ascontiguousarray(np.asarray(square, dtype=np.float32)[:, :, ::-1])


def _read_tags(path: Path) -> list[_Known]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [_Known(row["name"], int(row["category"])) for row in csv.DictReader(file)]
    except OSError as error:
        raise refusal(path, f"it cannot be read: {error.strerror}.", "Put it beside model.onnx.") from None
    except (KeyError, ValueError, csv.Error, TypeError):
        raise refusal(path, "it has no columns name and category.", "Fetch it once more.") from None


def chosen_model() -> str:
    """The model to take when none is named: a tagger below loratui's models folder, else the default."""
    for path in sorted((places.home() / "models").glob(f"*/{FILES[1]}")):
        if path.with_name(FILES[0]).is_file():
            return str(path.parent)
    return DEFAULT_MODEL


def locate(model: str) -> Path:
    """The folder of a model: one on this disk, else one of the hub, fetched on first use with progress.

    Raises ``UserError``.
    """
    folder = expanded(model)
    if folder.is_dir():
        return folder
    if folder.is_absolute() or model.count("/") != 1:
        raise refusal(model, "there is no such folder.", f"Give a folder, or a hub id like {DEFAULT_MODEL}.")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        raise refusal(
            model, "fetching it wants huggingface_hub.", 'Install it: pip install "loratui[tag]"'
        ) from None
    try:
        paths = [Path(hf_hub_download(model, name)) for name in FILES]
    except Exception as error:  # the hub's, the network's, the disk's
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise refusal(
            model,
            f"it could not be fetched from the hub: {first}",
            "Try again, or fetch model.onnx and selected_tags.csv elsewhere and give their folder.",
        ) from None
    return paths[0].parent
