"""Noise, timesteps and the noise schedule of Stable Diffusion. Pure functions on tensors."""

from __future__ import annotations

import torch
from torch import Tensor

TIMESTEPS = 1000


def alphas_cumprod() -> Tensor:
    """[1000] float32: the share of signal left at each timestep.

    "Scaled linear" betas from 0.00085 to 0.012 (sd-scripts train_network.py:245).
    """
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, TIMESTEPS, dtype=torch.float32) ** 2
    return torch.cumprod(1.0 - betas, dim=0)


def draw_timesteps(batch: int) -> Tensor:
    """[batch] int64 on the CPU, uniform over all timesteps, from torch's global generator."""
    return torch.randint(0, TIMESTEPS, (batch,), device="cpu")


def draw_noise(latents: Tensor, offset: float) -> Tensor:
    """Standard normal noise like ``latents`` [B,C,h,w]; with ``offset``, one value for each sample and
    channel is added (sd-scripts library/custom_train_functions.py, ``apply_noise_offset``)."""
    noise = torch.randn_like(latents)
    if offset:
        shape = (latents.shape[0], latents.shape[1], 1, 1)
        noise = noise + offset * torch.randn(shape, device=latents.device)
    return noise


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
