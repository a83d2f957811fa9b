"""One optimizer step: from what the U-Net is fed to changed weights.

Training and the replay of recorded steps (``golden``) both go through here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from loratui.trainer import noise, objective
from loratui.trainer.captions.text import Condition, predict
from loratui.trainer.distributed import Together
from loratui.trainer.lora.half_copies import HalfCopies
from loratui.trainer.lora.network import Network
from loratui.trainer.lora.norms import limit_norms
from loratui.trainer.optimizing.flat_parameters import Flat, norm_of
from loratui.trainer.optimizing.optimizers import rate_in_use, rates_found
from loratui.trainer.optimizing.rates import Rates
from loratui.trainer.settings.config import TrainConfig


class NotFiniteError(Exception):
    """The loss, its gradient or the weights are no numbers any more."""


@dataclass(frozen=True, slots=True)
class Diffusion:
    """The tables of a training, [1000] each."""

    signal: Tensor
    """Share of the picture left at each timestep; rescaled with zero_terminal_snr."""
    ratios: Tensor
    """Signal-to-noise ratios that losses are weighed by: always those of the table before it was
    rescaled, as sd-scripts computes them first (train_network.py:249-251)."""

    @staticmethod
    def of(config: TrainConfig, device: torch.device) -> Diffusion:
        """The tables that a config asks for."""
        plain = noise.alphas_cumprod()
        signal = noise.zero_terminal_snr(plain) if config.zero_terminal_snr else plain
        return Diffusion(signal.to(device), noise.signal_to_noise(plain).to(device))


@dataclass(frozen=True, slots=True)
class Fed:
    """All that one forward pass depends on."""

    latents: Tensor
    """[B,4,h,w], scaled."""
    noise: Tensor
    """[B,4,h,w]."""
    timesteps: Tensor
    """[B] int64."""
    condition: Condition
    sizes: Tensor
    """[B,6]; SDXL's size conditions."""
    weights: Tensor
    """[B]; 1, or prior_loss_weight for a regularization picture."""
    noisy: Tensor | None = None
    """[B,4,h,w]: the U-Net's input, where it is more than latents and noise (ip_noise_gamma)."""
    mask: Tensor | None = None
    """[B,1,h,w]: how much each pixel of the loss counts (alpha_mask)."""
    preserved: Tensor | None = None
    """[B] bool: whose answer is to stay the base model's own; None for nobody's."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step was like."""

    losses: list[float]
    """One for each forward pass; where several processes train, the mean over them."""
    rates: list[float]
    """Learning rate set for each parameter group."""
    rates_in_use: list[float]
    """The rate it comes to: with Prodigy and D-Adaptation d times the one set."""
    norm: float
    """Of the gradient before it was clipped."""
    skipped: bool = False
    """fp16: the gradient was too large for its scale, and the weights stay as they were. The learning rate
    schedule waits, as accelerate has it (accelerate/scheduler.py)."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A step that is queued on its device; its numbers may not be known yet."""

    losses: Sequence[Tensor]
    norm: Tensor
    rates: list[float]
    rates_in_use: list[float]
    skipped: bool
    checked: bool
    """Whether it is known to be sound already."""

    def read(self) -> Stepped:
        """Wait for the numbers, once for all of them. Raises ``NotFiniteError``."""
        *losses, norm = torch.stack([*self.losses, self.norm]).tolist()
        if not self.checked and not all(map(math.isfinite, (*losses, norm))):
            raise NotFiniteError
        return Stepped(losses, self.rates, self.rates_in_use, norm, self.skipped)


@dataclass(frozen=True, slots=True)
class Stepper:
    """The parts that a step moves."""

    config: TrainConfig
    accelerator: Any
    unet: Any
    network: Network
    optimizer: Any
    rates: Rates
    diffusion: Diffusion
    groups: Sequence[str]
    """Names of the optimizer's parameter groups."""
    together: Together = field(default_factory=Together)
    flat: Flat | None = None
    """Where the optimizer's weights are joined."""
    copies: HalfCopies | None = None
    """Where autocast would cast them one by one."""

    @property
    def can_be_late(self) -> bool:
        """Whether a GPU can be left to itself: several processes, and the gradient scaler of fp16, ask it for
        numbers in every step."""
        device = self.accelerator.device
        return device.type == "cuda" and self.together.world == 1 and self.accelerator.scaler is None

    def step(self, done: int, passes: Sequence[Callable[[], Fed]]) -> Stepped:
        """One optimizer step over the passes that are accumulated for it, after ``done`` steps of the
        learning rate schedule. Raises ``NotFiniteError`` before the weights change."""
        return self.begin(done, passes).read()

    def begin(self, done: int, passes: Sequence[Callable[[], Fed]], *, check: bool = True) -> Pending:
        """The same, without waiting for its numbers where they are not to be checked: then the weights change
        whatever they are, and ``read`` raises ``NotFiniteError``."""
        self.rates.set(done)
        groups = self.optimizer.param_groups
        rates = [float(group["lr"] or 0.0) for group in groups]
        in_use = [rate_in_use(group) for group in groups]
        losses: list[Tensor] = []
        for feed in passes:
            with self.copies.lent() if self.copies else nullcontext():
                with self.accelerator.autocast():
                    loss = self.loss(feed())
                losses.append(loss.detach())
                if check and self.together.world == 1 and not losses[-1].isfinite():
                    raise NotFiniteError
                # A lone last pass of an epoch is divided all the same, as accelerate does it.
                self.accelerator.backward(loss / self.config.gradient_accumulation_steps)
            if len(losses) < len(passes):
                self._limit_norms()
        if self.together.world > 1:
            means = self.together.mean([float(loss) for loss in losses])
            losses = list(torch.tensor(means, dtype=torch.float64, device=losses[0].device))
            # Not sooner: all processes must come as far as here, or wait for ever.
            if not torch.stack(losses).isfinite().all():
                raise NotFiniteError
        weights = self.flat.gathered() if self.flat else self.network.parameters()
        self.together.average_gradients(weights)
        # accelerate's own function does these two, and imports torch.distributed.tensor for neither.
        self.accelerator.unscale_gradients()
        norm = self._clipped(weights)
        scaler = self.accelerator.scaler
        # With fp16 the gradient scaler skips such a step and lowers its scale, while there is room below it.
        if check and not norm.isfinite() and (scaler is None or scaler.get_scale() < 1):
            raise NotFiniteError
        self.optimizer.step()
        skipped = scaler is not None and bool(self.optimizer.step_was_skipped)
        if not skipped:
            self.rates.advance()
        self.optimizer.zero_grad(set_to_none=True)
        self._limit_norms()
        found = rates_found(self.optimizer) or in_use
        return Pending(losses, norm, rates, found, skipped, check)

    def optimizer_state(self) -> dict[str, Any]:
        """What a state holds of the optimizer, weight by weight."""
        found: dict[str, Any] = (self.flat or self.optimizer).state_dict()
        return found

    def loss(self, fed: Fed) -> Tensor:
        """The scalar that is minimised."""
        config, signal = self.config, self.diffusion.signal
        noisy = fed.noisy
        if noisy is None:
            noisy = noise.add_noise(fed.latents, fed.noise, fed.timesteps, signal)
        timesteps = fed.timesteps.to(noisy.device)
        answer = predict(self.unet, noisy, timesteps, fed.condition, fed.sizes)
        target = objective.target_of(
            fed.latents, fed.noise, fed.timesteps, signal, v_parameterization=config.v_parameterization
        )
        if fed.preserved is not None:
            with self.network.switched_off(), torch.no_grad():
                own = predict(self.unet, noisy, timesteps, fed.condition, fed.sizes)
            target = torch.where(fed.preserved.view(-1, 1, 1, 1), own.to(target.dtype), target)
        threshold = None
        if config.loss_type in ("huber", "smooth_l1"):
            threshold = objective.huber_thresholds(
                timesteps, signal, config.huber_schedule, config.huber_c, config.huber_scale
            )
        losses = objective.loss_of_samples(answer, target, config.loss_type, threshold, fed.mask)
        return objective.loss_of_batch(losses * self.timestep_weights(timesteps), fed.weights)

    def timestep_weights(self, timesteps: Tensor) -> Tensor:
        """[B]: what the loss of each sample is multiplied by for its timestep."""
        config, v = self.config, self.config.v_parameterization
        ratios = self.diffusion.ratios[timesteps]
        weights = torch.ones_like(ratios)
        if config.min_snr_gamma:
            weights = weights * objective.min_snr_weights(ratios, config.min_snr_gamma, v_parameterization=v)
        if config.scale_v_pred_loss_like_noise_pred:
            weights = weights * objective.noise_like_weights(ratios)
        if config.v_pred_like_loss:
            weights = weights * objective.velocity_like_weights(ratios, config.v_pred_like_loss)
        if config.debiased_estimation_loss:
            weights = weights * objective.debiased_weights(ratios, v_parameterization=v)
        return weights

    def _clipped(self, weights: Sequence[nn.Parameter]) -> Tensor:
        """The norm of all gradients before they are brought down to max_grad_norm."""
        limit = self.config.max_grad_norm or math.inf
        if self.flat is None:
            return nn.utils.clip_grad_norm_(weights, limit, foreach=True)
        norm = norm_of(weights)
        nn.utils.clip_grads_with_norm_(weights, limit, norm, foreach=True)
        return norm

    def _limit_norms(self) -> None:
        """After every pass, as sd-scripts does (train_network.py:1459): start weights above the limit are
        brought down before the second."""
        if self.config.scale_weight_norms:
            limit_norms(self.network.layers.values(), self.config.scale_weight_norms)
