"""Noise, timesteps and the noise schedule of Stable Diffusion. Pure functions on tensors."""

from __future__ import annotations

import random

import torch
from torch import Tensor

TIMESTEPS = 1000


def alphas_cumprod() -> Tensor:
    """[1000] float32: the share of signal left at each timestep.

    "Scaled linear" betas from 0.00085 to 0.012 (sd-scripts train_network.py:245).
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, TIMESTEPS, dtype=torch.float32) ** 2
    return torch.cumprod(1.0 - betas, dim=0)


def zero_terminal_snr(schedule: Tensor) -> Tensor:
    """``schedule`` [1000] shifted and stretched so that nothing of the picture is left at the last timestep.

    Algorithm 1 of arXiv:2305.08891. It goes through the betas and back, as the paper does: the last values
    are so small that the rounding on the way shows.
    """
    roots = schedule.sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    roots = (roots - last) * (first / (first - last))
    shares = roots**2
    betas = 1 - torch.cat([shares[:1], shares[1:] / shares[:-1]])
    return torch.cumprod(1.0 - betas, dim=0)


def signal_to_noise(schedule: Tensor) -> Tensor:
    """[1000]: the signal-to-noise ratio at each timestep, a / (1 - a)."""
    return (schedule.sqrt() / (1.0 - schedule).sqrt()) ** 2


def draw_timesteps(batch: int, least: int = 0, most: int = TIMESTEPS) -> Tensor:
    """[batch] int64 on the CPU, uniform from ``least`` to below ``most``, from torch's global generator; only
    ``most`` where the two are equal (sd-scripts library/train_util.py:6062)."""
    if least == most:
        return torch.full((batch,), most)
    return torch.randint(least, most, (batch,), device="cpu")


def draw_noise(
    latents: Tensor, offset: float, *, adaptive_scale: float = 0.0, random_strength: bool = False
) -> Tensor:
    """Standard normal noise like ``latents`` [B,C,h,w]; with ``offset``, one value for each sample and
    channel is added (sd-scripts library/custom_train_functions.py, ``apply_noise_offset``).

    ``random_strength`` draws the offset between 0 and ``offset``. ``adaptive_scale`` times the size of
    each channel's mean is added to the offset, which never falls below 0.
    """
    noise = torch.randn_like(latents)
    if not offset:
        return noise
    strength = torch.full((1, 1, 1, 1), offset, device=latents.device)
    if random_strength:
        strength = strength * torch.rand(1, device=latents.device)
    if adaptive_scale:
        means = latents.mean(dim=(2, 3), keepdim=True).abs()
        strength = (strength + adaptive_scale * means).clamp(min=0.0)
    shape = (latents.shape[0], latents.shape[1], 1, 1)
    return noise + strength * torch.randn(shape, device=latents.device)


def multires_noise(noise: Tensor, iterations: int, discount: float) -> Tensor:
    """``noise`` [B,C,h,w] and ever coarser, ever fainter noise laid over it, at unit deviation again
    (https://wandb.ai/johnowhitaker/multires_noise/reports/Multi-Resolution-Noise-for-Diffusion-Model-Training--VmlldzozNjYyOTU2).

    Layer i has sides smaller by r**i, r drawn between 2 and 4 each time, and strength ``discount**i``.
    """
    height, width = noise.shape[2:]
    for layer, sides in enumerate(draw_shrinks(height, width, iterations)):
        coarse = torch.randn((*noise.shape[:2], *sides), device=noise.device)
        spread = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
        noise = noise + spread * discount**layer
    return noise / noise.std()


def draw_shrinks(
    height: int, width: int, iterations: int, generator: random.Random | None = None
) -> list[tuple[int, int]]:
    """(height, width) of each layer of multires noise, as ``generator`` (Python's own where there is none)
    draws them; a layer with a side of 1 is the last."""
    draw = (generator or random).random
    found: list[tuple[int, int]] = []
    for layer in range(iterations):
        shrink = (2.0 + 2.0 * draw()) ** layer
        found.append((max(1, int(height / shrink)), max(1, int(width / shrink))))
        if 1 in found[-1]:
            break
    return found


def perturbed(noise: Tensor, strength: float, *, random_strength: bool = False) -> Tensor:
    """``noise`` [B,C,h,w] and a little more, for the U-Net's input alone (arXiv:2301.11706; sd-scripts
    library/train_util.py:6091-6096). ``random_strength`` draws its share between 0 and ``strength``."""
    share = torch.rand(1, device=noise.device) * strength if random_strength else strength
    return noise + share * torch.randn_like(noise)


def add_noise(latents: Tensor, noise: Tensor, timesteps: Tensor, schedule: Tensor) -> Tensor:
    """The U-Net's input [B,C,h,w]: sqrt(a) * latents + sqrt(1-a) * noise."""
    signal, disturbance = _factors(timesteps, schedule, latents)
    return signal * latents + disturbance * noise


def velocity(latents: Tensor, noise: Tensor, timesteps: Tensor, schedule: Tensor) -> Tensor:
    """The target of v-prediction: sqrt(a) * noise - sqrt(1-a) * latents (arXiv:2202.00512, appendix D)."""
    signal, disturbance = _factors(timesteps, schedule, latents)
    return signal * noise - disturbance * latents


def _factors(timesteps: Tensor, schedule: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    share = schedule.to(like.device)[timesteps.to(like.device)].to(like.dtype).view(-1, 1, 1, 1)
    return share**0.5, (1.0 - share) ** 0.5
