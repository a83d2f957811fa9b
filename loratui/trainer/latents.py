"""All pictures through the VAE once, kept in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from loratui.problems import refusal
from loratui.trainer.batches import Shown
from loratui.trainer.data import Item
from loratui.trainer.pixels import fit, read_pixels


@dataclass(frozen=True, slots=True)
class Distribution:
    """What the VAE makes of a picture: a normal distribution of each latent value, unscaled."""

    mean: Tensor
    """[4,h/8,w/8]."""
    deviation: Tensor

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        """One latent."""
        return self.mean + self.deviation * torch.randn(self.mean.shape, generator=generator)


class LatentCache:
    """Latents of all pictures, and of their mirror images when those are shown.

    ``fixed`` keeps one draw for the whole training, as sd-scripts' cache_latents does
    (library/strategy_sd.py:162); otherwise each showing draws anew.
    """

    def __init__(self, *, fixed: bool) -> None:
        self._fixed = fixed
        self._latents: dict[tuple[int, bool], Tensor | Distribution] = {}

    def put(self, index: int, flipped: bool, found: Distribution, generator: torch.Generator) -> None:
        self._latents[index, flipped] = found.draw(generator) if self._fixed else found

    def get(self, shown: Shown) -> Tensor:
        """[4,h,w], unscaled, float32 on the CPU."""
        found = self._latents[shown.index, shown.flipped]
        return found.draw() if isinstance(found, Distribution) else found


def encode_pictures(
    vae: Any,
    items: list[Item],
    *,
    flip: bool,
    fixed: bool,
    seed: int,
    progress: Callable[[int, int], None],
) -> LatentCache:
    """Encode every picture, one at a time, on the VAE's device.

    Draws come from a generator of their own, so that they depend on the seed and the pictures alone.
    Raises ``UserError`` for a picture that cannot be read or that the VAE turns into NaN.
    """
    cache = LatentCache(fixed=fixed)
    generator = torch.Generator("cpu").manual_seed(seed)
    for index, item in enumerate(items):
        progress(index, len(items))
        path = item.picture.path
        pixels = fit(read_pixels(path), item.placement)
        image = (
            torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).to(vae.device, torch.float32) / 127.5 - 1
        )
        for flipped in (False, True) if flip else (False,):
            with torch.no_grad():
                found = vae.encode(image.flip(3) if flipped else image).latent_dist
            distribution = Distribution(found.mean[0].float().cpu(), found.std[0].float().cpu())
            if not torch.isfinite(distribution.mean).all():
                raise refusal(
                    path, "the VAE turns this picture into NaN.", "Choose another base model or VAE."
                )
            cache.put(index, flipped, distribution, generator)
    progress(len(items), len(items))
    return cache
