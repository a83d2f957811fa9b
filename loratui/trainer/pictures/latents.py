"""All pictures through the VAE: once, kept in memory, or each time they are shown when they change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from loratui.problems import UserError, refusal
from loratui.trainer.distributed import Together
from loratui.trainer.pictures.augment import recolored
from loratui.trainer.pictures.batches import Shown
from loratui.trainer.pictures.data import Item
from loratui.trainer.pictures.latent_files import LatentFiles
from loratui.trainer.pictures.pixels import LEAVE_OUT, Pixels, fit, read_pixels
from loratui.trainer.to_gpu import moved


@dataclass(frozen=True, slots=True)
class Distribution:
    """What the VAE makes of a picture: a normal distribution of each latent value, unscaled."""

    mean: Tensor
    """[4,h/8,w/8]."""
    deviation: Tensor

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        """One latent."""
        disturbance = torch.randn(self.mean.shape, generator=generator)
        return self.mean + self.deviation * moved(disturbance, self.mean.device)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of one picture."""

    latents: Sequence[Tensor | Distribution]
    """Of the picture, and of its mirror image where that is shown."""
    mask: Tensor | None = None
    """[h,w]: its alpha from 0 to 1, at the size of its pixels."""


@dataclass(frozen=True, slots=True)
class _Fault:
    error: UserError
    damaged: bool


class LatentCache:
    """Latents of all pictures, and of their mirror images when those are shown: one draw for the whole
    training, as sd-scripts' cache_latents does (library/strategy_sd.py:162), or each showing draws anew.
    Pictures that change from showing to showing are encoded each time."""

    def __init__(
        self, vae: Any = None, items: Sequence[Item] = (), device: torch.device | None = None
    ) -> None:
        """``vae`` encodes what changes, on ``device``."""
        self._found: dict[int, Found] = {}
        self._vae, self._items, self._device = vae, items, device

    def put(self, index: int, found: Found) -> None:
        """What is known of a picture."""
        self._found[index] = found

    def shown(self, shown: Shown) -> tuple[Tensor, Tensor | None]:
        """The latents, [4,h,w], unscaled, float32, on the CPU or (encoded just now) the VAE's device; and the
        mask [h,w] in their size where the loss counts by one, on the CPU. Raises ``UserError`` for a picture
        that changes and cannot be read any more."""
        item = self._items[shown.index]
        if item.changes:
            pixels = _pixels(item, shown)
            self._vae.to(self._device)
            found = _encoded(self._vae, pixels[..., :3], flipped=shown.flipped)
            # A GPU is not asked, which would be to wait for it: there the loss tells.
            latents = (found if found.mean.is_cuda else _checked(found, item)).draw()
            mask = _mask(item, pixels, shown)
        else:
            known = self._found[shown.index]
            own, mask = known.latents[shown.flipped], known.mask
            latents = own.draw() if isinstance(own, Distribution) else own
        if mask is None:
            return latents, None
        shrunk = in_latent_size(mask[None, None], latents.shape[1:])[0, 0]
        return latents, shrunk.flip(1) if shown.flipped else shrunk


def in_latent_size(masks: Tensor, size: Sequence[int]) -> Tensor:
    """``masks`` [B,1,H,W] averaged to ``size``, (h, w) (custom_train_functions.py:502)."""
    return functional.interpolate(masks, size=tuple(size), mode="area")


def encode_pictures(
    vae: Any,
    items: Sequence[Item],
    *,
    fixed: bool,
    seed: int,
    progress: Callable[[int, int], None],
    files: LatentFiles | None = None,
    damaged: Callable[[int, UserError], None] | None = None,
    together: Together | None = None,
) -> LatentCache:
    """Encode every picture that does not change, one at a time, on the VAE's device; what ``files`` hold
    already is taken from there, and what they do not hold is written to them. Several processes share the
    work, and then tell each other what they found.

    Each draw depends on the seed and the picture's place alone. ``damaged`` is told of pictures that cannot
    be read, by their index. Raises ``UserError`` for them without it, for a picture that the VAE turns into
    NaN, and when the disk refuses; in all processes alike.
    """
    together = together or Together()
    device = vae.device
    cache = LatentCache(vae, items, device)
    wanted = [index for index, item in enumerate(items) if not item.changes]
    own: dict[int, Found | _Fault] = {}
    for number, index in enumerate(wanted[together.rank :: together.world]):
        progress(min(number * together.world, len(wanted)), len(wanted))
        own[index] = _found(vae, items[index], files, fixed=fixed, seed=seed + 7919 * index)
        if isinstance(own[index], _Fault) and not (damaged and own[index].damaged):  # type: ignore[union-attr]
            break
    everything = {index: found for part in together.gather(own) for index, found in part.items()}
    for index, found in sorted(everything.items()):
        if isinstance(found, Found):
            cache.put(index, found)
        elif damaged and found.damaged:
            damaged(index, found.error)
        elif found.damaged:
            raise refusal(found.error.source, found.error.problems[0].message, LEAVE_OUT, "image_corrupt")
        else:
            raise found.error
    progress(len(wanted), len(wanted))
    return cache


def _found(vae: Any, item: Item, files: LatentFiles | None, *, fixed: bool, seed: int) -> Found | _Fault:
    known = files.read(item) if files else None
    try:
        if known is not None:
            return Found(known[0], _mask(item) if item.mask else known[1])
        pixels = _pixels(item)
    except UserError as error:
        return _Fault(error, damaged=True)
    try:
        mask = _mask(item, pixels)
        rgb = pixels[..., :3]
        ways = range(1 + item.subset.flip)
        found = [_checked(_encoded(vae, rgb, flipped=bool(flipped)), item) for flipped in ways]
        if not fixed:
            return Found(found, mask)
        generator = torch.Generator("cpu").manual_seed(seed)
        drawn = [one.draw(generator) for one in found]
        if files:
            files.write(item, drawn, None if item.mask else mask)
        return Found(drawn, mask)
    except UserError as error:
        return _Fault(error, damaged=False)


def _pixels(item: Item, shown: Shown | None = None) -> Pixels:
    subset = item.subset
    pixels = read_pixels(item.picture.path, alpha=subset.alpha_mask)
    pixels = fit(pixels, item.placement, shown.crop if shown else None, subset.interpolation)
    return recolored(pixels, shown.color) if shown and shown.color else pixels


def _mask(item: Item, pixels: Pixels | None = None, shown: Shown | None = None) -> Tensor | None:
    """[h,w] from 0 to 1 at the size of the ``pixels`` that are shown: of the picture of masks, cut as the
    picture itself, else their alpha. Raises ``UserError`` for one that cannot be read or is of another size.
    """
    if item.mask:
        whole = read_pixels(item.mask)
        if whole.shape[:2] != (item.picture.height, item.picture.width):
            size = f"{whole.shape[1]}x{whole.shape[0]}"
            message = f"it is {size}, and its picture {item.picture.width}x{item.picture.height}."
            raise refusal(item.mask, message, "Make it as large as the picture.", "control_pairs")
        crop = shown.crop if shown else None
        return _share(fit(whole, item.placement, crop, item.subset.interpolation)[..., 0])
    if not item.subset.alpha_mask or pixels is None:
        return None
    return _share(pixels[..., 3])


def _share(channel: Pixels) -> Tensor:
    return torch.from_numpy(channel.astype(np.float32) / 255)


def _encoded(vae: Any, pixels: Pixels, *, flipped: bool) -> Distribution:
    """On the VAE's device."""
    image = moved(torch.from_numpy(np.ascontiguousarray(pixels)), vae.device)
    image = image.permute(2, 0, 1).unsqueeze(0).float() / 127.5 - 1
    with torch.no_grad():
        mean, deviation = vae.encode(image.flip(3) if flipped else image)
    return Distribution(mean[0].float(), deviation[0].float())


def _checked(distribution: Distribution, item: Item) -> Distribution:
    """On the CPU. Raises ``UserError`` where it is no number."""
    found = Distribution(distribution.mean.cpu(), distribution.deviation.cpu())
    if not torch.isfinite(found.mean).all():
        raise refusal(
            item.picture.path,
            "the VAE turns this picture into NaN.",
            "Choose another base model or VAE.",
            "nan_latents",
        )
    return found
