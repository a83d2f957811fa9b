"""What the network is trained to do, as a number. Pure functions on tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from loratui.trainer.noise import velocity

_HIGHEST_RATIO = 1000.0


def target_of(
    latents: Tensor, noise: Tensor, timesteps: Tensor, schedule: Tensor, *, v_parameterization: bool
) -> Tensor:
    """What the U-Net should answer, [B,C,h,w]: the noise, or the velocity."""
    return velocity(latents, noise, timesteps, schedule) if v_parameterization else noise


def loss_of_samples(
    prediction: Tensor,
    target: Tensor,
    kind: str = "l2",
    threshold: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """[B]: the error of each sample, mean over channels and pixels, in float32. Each pixel counts by
    ``mask`` [B,1,h,w], and the divisor stays their number (custom_train_functions.py:487-504).

    ``kind``: ``l2``, ``l1``, ``huber`` and ``smooth_l1`` (sd-scripts library/train_util.py:6143-6183). The
    last two are pseudo-Huber losses with a ``threshold`` [B]: below it they grow with the square of the
    error, above it with the error itself; ``smooth_l1`` is ``huber`` divided by it.
    """
    prediction, target = prediction.float(), target.float()
    if kind == "l2":
        error = nn.functional.mse_loss(prediction, target, reduction="none")
    elif kind == "l1":
        error = nn.functional.l1_loss(prediction, target, reduction="none")
    else:
        assert threshold is not None
        c = threshold.view(-1, 1, 1, 1)
        error = torch.sqrt((prediction - target) ** 2 + c**2) - c
        error = (2 * c if kind == "huber" else 2) * error
    return (error if mask is None else error * mask).mean(dim=(1, 2, 3))


def huber_thresholds(timesteps: Tensor, schedule: Tensor, name: str, c: float, scale: float) -> Tensor:
    """[B]: where a Huber loss bends (sd-scripts library/train_util.py:6117-6140).

    ``constant``: c; ``exponential``: from 1 at timestep 0 to c at the last; both times ``scale``. ``snr``:
    between 1 and c by the noise in ``schedule`` [1000]; ``scale`` changes nothing there.
    """
    if name == "constant":
        return torch.full(timesteps.shape, c * scale, device=timesteps.device)
    if name == "exponential":
        return torch.exp(math.log(c) / len(schedule) * timesteps) * scale
    shares = schedule[timesteps]
    deviations = ((1.0 - shares) / shares) ** 0.5
    return (1 - c) / (1 + deviations) ** 2 + c


def loss_of_batch(losses: Tensor, weights: Tensor) -> Tensor:
    """The scalar that is minimised: the mean over the batch of each sample's loss times its weight.

    A weight is 1, or prior_loss_weight for a regularization picture; the divisor stays the number of
    samples (sd-scripts train_network.py:463-480).
    """
    return (losses * weights).mean()


def min_snr_weights(ratios: Tensor, gamma: float, *, v_parameterization: bool) -> Tensor:
    """[B]: min(snr, gamma) / snr, with v-prediction min(snr, gamma) / (snr + 1) (arXiv:2303.09556;
    sd-scripts library/custom_train_functions.py:68-77)."""
    return ratios.clamp(max=gamma) / (ratios + 1 if v_parameterization else ratios)


def noise_like_weights(ratios: Tensor) -> Tensor:
    """[B]: snr / (snr + 1), which makes a v-prediction loss weigh like a noise-prediction loss
    (custom_train_functions.py:86-92). Ratios stop at 1000."""
    ratios = ratios.clamp(max=_HIGHEST_RATIO)
    return ratios / (ratios + 1)


def velocity_like_weights(ratios: Tensor, strength: float) -> Tensor:
    """[B]: 1 + strength * (snr + 1) / snr: the loss and ``strength`` times the loss that v-prediction would
    have (custom_train_functions.py:95-99)."""
    return 1 + strength / noise_like_weights(ratios)


def debiased_weights(ratios: Tensor, *, v_parameterization: bool) -> Tensor:
    """[B]: 1 / sqrt(snr), with v-prediction 1 / (snr + 1) (arXiv:2310.08442;
    custom_train_functions.py:102-110). Ratios stop at 1000."""
    ratios = ratios.clamp(max=_HIGHEST_RATIO)
    return 1 / (ratios + 1) if v_parameterization else ratios.rsqrt()
