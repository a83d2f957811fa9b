"""All pictures through the VAE once, kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from loratui.problems import UserError, refusal
from loratui.trainer.batches import Shown
from loratui.trainer.data import Item
from loratui.trainer.latent_files import LatentFiles
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
    """Latents of all pictures, and of their mirror images when those are shown: one draw for the whole
    training, as sd-scripts' cache_latents does (library/strategy_sd.py:162), or each showing draws anew."""

    def __init__(self) -> None:
        self._latents: dict[tuple[int, bool], Tensor | Distribution] = {}

    def put(self, index: int, found: Sequence[Tensor | Distribution]) -> None:
        """What is known of a picture, and then of its mirror image."""
        for flipped, one in enumerate(found):
            self._latents[index, bool(flipped)] = one

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
    files: LatentFiles | None = None,
    damaged: Callable[[int, UserError], None] | None = None,
) -> LatentCache:
    """Encode every picture, one at a time, on the VAE's device; what ``files`` hold already is taken from
    there, and what they do not hold is written to them.

    Draws come from a generator of their own, so that they depend on the seed and the pictures alone.
    ``damaged`` is told of pictures that cannot be read, by their index. Raises ``UserError`` for them without
    it, and for a picture that the VAE turns into NaN.
    """
    cache = LatentCache()
    generator = torch.Generator("cpu").manual_seed(seed)
    for index, item in enumerate(items):
        progress(index, len(items))
        known = files.read(item, flip=flip) if files else None
        if known is not None:
            cache.put(index, known)
            continue
        try:
            pixels = fit(read_pixels(item.picture.path), item.placement)
        except UserError as error:
            if damaged is None:
                raise
            damaged(index, error)
            continue
        found = [_encoded(vae, pixels, item, flipped=bool(flipped)) for flipped in range(1 + flip)]
        if not fixed:
            cache.put(index, found)
            continue
        drawn = [one.draw(generator) for one in found]
        cache.put(index, drawn)
        if files:
            files.write(item, drawn)
    progress(len(items), len(items))
    return cache


def _encoded(vae: Any, pixels: Any, item: Item, *, flipped: bool) -> Distribution:
    image = torch.from_numpy(pixels).permute(2, 0, 1).unsqueeze(0).to(vae.device, torch.float32) / 127.5 - 1
    with torch.no_grad():
        mean, deviation = vae.encode(image.flip(3) if flipped else image)
    distribution = Distribution(mean[0].float().cpu(), deviation[0].float().cpu())
    if not torch.isfinite(distribution.mean).all():
        raise refusal(
            item.picture.path, "the VAE turns this picture into NaN.", "Choose another base model or VAE."
        )
    return distribution
