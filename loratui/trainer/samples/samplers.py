"""Ways from noise to a picture beside DDIM, by the names of sd-scripts' ``sample_sampler``: Euler, ancestral
Euler (k-diffusion, after arXiv:2206.00364) and DPM-Solver++ 2M (arXiv:2211.01095), as diffusers has them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

_NEAREST = {
    **dict.fromkeys(
        ("dpm_2", "dpmsingle", "dpmsolver", "heun", "k_dpm_2", "k_lms", "lms", "pndm"), "dpmsolver++"
    ),
    **dict.fromkeys(("dpm_2_a", "k_dpm_2_a"), "euler_a"),
}
_SAME = {"k_euler": "euler", "k_euler_a": "euler_a"}
OWN = frozenset({"ddim", "dpmsolver++", "euler", "euler_a"})
_LEAST_SHARE = 2.0**-24
"""Of the picture, at a timestep where zero terminal SNR leaves nothing of it; so has diffusers."""


def sampler_for(name: str) -> tuple[str, bool]:
    """The one of ``OWN`` that draws for a ``sample_sampler``, and whether it is the same one. The others
    solve the same equation in other steps; what nobody knows is DDIM, as in sd-scripts
    (library/train_util.py, ``get_my_scheduler``)."""
    own = _SAME.get(name, name)
    if own in OWN:
        return own, True
    return (_NEAREST[name], False) if name in _NEAREST else ("ddim", False)


def solve(
    guess: Callable[[Tensor, float], Tensor],
    noise: Tensor,
    steps: int,
    schedule: Tensor,
    sampler: str,
    *,
    v_parameterization: bool,
    generator: torch.Generator,
    stopped: Callable[[], bool] = lambda: False,
) -> Tensor | None:
    """From ``noise`` [1,4,h,w] of unit deviation to latents; ``sampler`` is one of ``OWN`` but DDIM, and
    ``generator``, on the CPU, draws what an ancestral one adds. ``guess(latents, timestep)`` is the guided
    answer of the U-Net. None when it was asked to stop between two steps."""
    multistep = sampler == "dpmsolver++"
    timesteps = _timesteps(steps, len(schedule), whole=multistep)
    sigmas = [*_sigmas(timesteps, schedule), 0.0]
    # x = picture + sigma * noise from here on; the U-Net is shown it at unit deviation.
    x = noise * (math.hypot(sigmas[0], 1) if multistep else sigmas[0])
    before: tuple[Tensor, float] | None = None
    for timestep, sigma, following in zip(timesteps, sigmas, sigmas[1:], strict=False):
        if stopped():
            return None
        size = math.hypot(sigma, 1)
        answer = guess(x / size, timestep).float()
        clean = x / size**2 - answer * (sigma / size) if v_parameterization else x - sigma * answer
        if multistep:
            x, before = _dpm(x, clean, sigma, following, before)
            continue
        added = _ancestral(sigma, following) if sampler == "euler_a" else 0.0
        down = math.sqrt(following**2 - added**2)
        x = x + (x - clean) / sigma * (down - sigma)
        if added:
            x = x + added * torch.randn(x.shape, generator=generator).to(x.device)
    return x


def _timesteps(steps: int, count: int, *, whole: bool) -> list[float]:
    """Falling, evenly spread from the last to the first; DPM-Solver's stop one short of it."""
    last = count - 1
    if whole:
        return [float(round(last * (steps - index) / steps)) for index in range(steps)]
    return [last * (steps - 1 - index) / max(1, steps - 1) for index in range(steps)]


def _sigmas(timesteps: Sequence[float], schedule: Tensor) -> list[float]:
    shares = schedule.double().cpu().clamp(min=_LEAST_SHARE)
    table = ((1 - shares) / shares).sqrt().tolist()
    found = []
    for timestep in timesteps:
        low = min(int(timestep), len(table) - 2)
        part = timestep - low
        found.append(table[low] * (1 - part) + table[low + 1] * part)
    return found


def _ancestral(sigma: float, following: float) -> float:
    """How much of the following noise is new."""
    return math.sqrt(following**2 * (sigma**2 - following**2) / sigma**2)


def _dpm(
    x: Tensor, clean: Tensor, sigma: float, following: float, before: tuple[Tensor, float] | None
) -> tuple[Tensor, tuple[Tensor, float]]:
    """The second order from the second step on; the last one ends at the picture itself."""
    if following == 0:
        return clean, (clean, sigma)
    step = math.log(sigma / following)
    slope = clean
    if before is not None:
        ratio = math.log(before[1] / sigma) / step
        slope = clean + (clean - before[0]) / (2 * ratio)
    return x * (following / sigma) - math.expm1(-step) * slope, (clean, sigma)
