"""Latents on disk beside the pictures, under the names and keys of sd-scripts, so that both can use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loratui.trainer.array_files import is_older, read_arrays, write_arrays
from loratui.trainer.pictures.data import Item, crop_box

_SUFFIXES = {"sd15": "_sd.npz", "sd2": "_sd.npz", "sdxl": "_sdxl.npz"}
_WAY_OUT = "Free some space or make the folder writable, or turn cache_latents_to_disk off."


@dataclass(frozen=True, slots=True)
class LatentFiles:
    """``hero_1024x0768_sdxl.npz`` beside ``hero.png``: the name holds the picture's own width and height
    (sd-scripts library/strategy_sd.py:135-157, strategy_base.py:455-640)."""

    family: str
    checked: bool = True
    """Whether a file is looked at before it is believed; skip_cache_check does not."""

    def path(self, item: Item) -> Path:
        """Where a picture's latents lie."""
        picture = item.picture
        stem = picture.path.with_suffix("")
        old = stem.with_name(f"{stem.name}.npz")
        if old.is_file():
            return old
        size = f"_{picture.width:04d}x{picture.height:04d}"
        return stem.with_name(f"{stem.name}{size}{_SUFFIXES[self.family]}")

    def read(self, item: Item) -> tuple[list[Tensor], Tensor | None] | None:
        """[4,h/8,w/8] of the picture and of its mirror image, and with alpha_mask its alpha [h,w]; None where
        the file does not hold what is shown.

        sd-scripts looks for the keys alone. Here a file older than its picture, of another bucket's size or
        with numbers that are none is no file either.
        """
        path = self.path(item)
        width, height = item.placement.bucket
        if self.checked and is_older(path, item.picture.path):
            return None
        keys = ["latents", "latents_flipped"][: 1 + item.subset.flip]
        arrays = read_arrays(path, [*keys, "alpha_mask"] if item.subset.alpha_mask else keys)
        if arrays is None:
            return None
        found = [array.float() for array in arrays]
        mask = found.pop() if item.subset.alpha_mask else None
        if any(one.shape != (4, height // 8, width // 8) for one in found):
            return None
        if self.checked and not all(bool(torch.isfinite(one).all()) for one in found):
            return None
        if mask is not None and mask.shape != (height, width):
            return None
        return found, mask

    def write(self, item: Item, found: list[Tensor], mask: Tensor | None = None) -> None:
        """Write them whole. Raises ``UserError`` when the disk refuses."""
        path = self.path(item)
        arrays = {
            "latents": found[0].numpy(),
            "original_size": np.array((item.picture.width, item.picture.height)),
            "crop_ltrb": np.array(crop_box(item)),
        }
        if len(found) > 1:
            arrays["latents_flipped"] = found[1].numpy()
        if mask is not None:
            arrays["alpha_mask"] = mask.numpy()
        write_arrays(path, arrays, _WAY_OUT)
