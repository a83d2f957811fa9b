"""Sample pictures by our own loops, DDIM (arXiv:2010.02502) and those of ``samplers``, with classifier-free
guidance."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from loratui.atomic import new_file
from loratui.formats.sample_prompts import Prompt
from loratui.trainer.captions.text import Condition, predict, stack
from loratui.trainer.noise import TIMESTEPS
from loratui.trainer.samples.samplers import solve


def ddim_timesteps(steps: int) -> list[int]:
    """Falling timesteps, evenly spread and moved up by one (Stable Diffusion's own DDIM setting)."""
    stride = TIMESTEPS // steps
    return [min(index * stride + 1, TIMESTEPS - 1) for index in reversed(range(steps))]


def denoise(
    guess: Callable[[Tensor, int], Tensor],
    latents: Tensor,
    steps: int,
    schedule: Tensor,
    *,
    v_parameterization: bool,
    stopped: Callable[[], bool] = lambda: False,
) -> Tensor | None:
    """From pure noise [1,4,h,w] to latents. ``guess(latents, timestep)`` is the guided answer of the
    U-Net. None when it was asked to stop between two steps."""
    timesteps = ddim_timesteps(steps)
    for timestep, following in zip(timesteps, [*timesteps[1:], -1], strict=True):
        if stopped():
            return None
        share = float(schedule[timestep])
        next_share = float(schedule[max(0, following)])
        answer = guess(latents, timestep).float()
        if v_parameterization:
            clean = share**0.5 * latents - (1 - share) ** 0.5 * answer
            noise = share**0.5 * answer + (1 - share) ** 0.5 * latents
        else:
            clean = (latents - (1 - share) ** 0.5 * answer) / share**0.5
            noise = answer
        latents = next_share**0.5 * clean + (1 - next_share) ** 0.5 * noise
    return latents


def sample(
    unet: torch.nn.Module,
    prompt: Prompt,
    positive: Condition,
    negative: Condition,
    schedule: Tensor,
    device: torch.device,
    *,
    seed: int,
    v_parameterization: bool,
    sampler: str = "ddim",
    stopped: Callable[[], bool] = lambda: False,
) -> Tensor | None:
    """Latents [1,4,h,w] of one prompt, or None when it was asked to stop. ``sampler`` is one of
    ``samplers.OWN``. The noise comes from a generator of its own, so that training goes on as if nothing had
    been drawn."""
    guided = prompt.scale != 1.0
    condition = stack([negative, positive] if guided else [positive], device)
    count = 2 if guided else 1
    sizes = torch.tensor([[prompt.height, prompt.width, 0, 0, prompt.height, prompt.width]] * count)
    sizes = sizes.float().to(device)

    def guess(latents: Tensor, timestep: float) -> Tensor:
        steps = torch.full((count,), timestep, device=device)
        answers = predict(unet, latents.repeat(count, 1, 1, 1), steps, condition, sizes)
        if not guided:
            return answers
        without, with_prompt = answers.chunk(2)
        return without + prompt.scale * (with_prompt - without)

    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn((1, 4, prompt.height // 8, prompt.width // 8), generator=generator)
    if sampler != "ddim":
        return solve(
            guess,
            noise.to(device),
            prompt.steps,
            schedule,
            sampler,
            v_parameterization=v_parameterization,
            generator=generator,
            stopped=stopped,
        )
    return denoise(
        guess,
        noise.to(device),
        prompt.steps,
        schedule,
        v_parameterization=v_parameterization,
        stopped=stopped,
    )


def decode(vae: Any, latents: Tensor, scale: float) -> Tensor:
    """Pixels [h,w,3] uint8 on the CPU from scaled latents [1,4,h/8,w/8]."""
    picture = vae.decode(latents.to(vae.dtype) / scale)[0]
    picture = torch.nan_to_num(picture.float(), nan=-1.0).clamp(-1, 1)
    return ((picture + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu()


def sample_path(output_dir: Path, name: str, epoch: int | None, index: int, seed: int, step: int = 0) -> Path:
    """sd-scripts' own place and name for a sample (library/train_util.py, ``sample_image_inference``)."""
    stamp = time.strftime("%Y%m%d%H%M%S", time.localtime())
    when = f"{step:06d}" if epoch is None else f"e{epoch:06d}"
    return output_dir / "sample" / f"{name}_{when}_{index:02d}_{stamp}_{seed}.png"


def write_png(path: Path, pixels: Tensor) -> None:
    """Write a picture whole. Raises ``UserError`` when the disk refuses."""
    from PIL import Image

    with new_file(path) as temporary:
        Image.fromarray(pixels.numpy()).save(temporary, "PNG")
