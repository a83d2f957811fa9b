"""The training loop: steps, epochs, and what is saved along the way."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from loratui import events
from loratui.dataset.captions import CaptionRules
from loratui.trainer import checkpoints, lora_file, metadata, noise, state
from loratui.trainer.batches import Batch, Buckets, epoch_batches
from loratui.trainer.conditions import Conditions
from loratui.trainer.config import TrainConfig
from loratui.trainer.data import Item, size_conditions
from loratui.trainer.drawing import Drawer
from loratui.trainer.latents import LatentCache
from loratui.trainer.network import Network
from loratui.trainer.objective import AverageLoss, loss_of_batch, loss_of_samples, target_of
from loratui.trainer.optimizers import rate_in_use
from loratui.trainer.report import Reporter
from loratui.trainer.schedule import Plan, rate_factor, warmup_steps
from loratui.trainer.state import Progress
from loratui.trainer.stopping import StopRequest
from loratui.trainer.text import predict

Outcome = Literal["finished", "stopped", "failed"]


class NotFiniteError(Exception):
    """The loss, its gradient or the weights are no numbers any more."""


@dataclass(slots=True)
class Training:
    """All parts of a training that is ready to run."""

    config: TrainConfig
    accelerator: Any
    unet: Any
    network: Network
    optimizer: Any
    group_names: list[str]
    """Of the optimizer's parameter groups."""
    base_rates: list[float]
    items: list[Item]
    buckets: Buckets
    latents: LatentCache
    conditions: Conditions
    drawer: Drawer
    schedule: Tensor
    plan: Plan
    seed: int
    report: Reporter
    stop: StopRequest
    entries: dict[str, str]
    """Metadata that every file carries."""
    step: int = 0
    """Optimizer steps done."""
    schedule_offset: int = 0
    average: AverageLoss = None  # type: ignore[assignment]

    def run(self) -> Outcome:
        """Train to the planned total. Raises ``UserError`` when something cannot be saved."""
        try:
            return self._run()
        except NotFiniteError:
            first = self.step == 0
            where = "from the first step on" if first else f"after step {self.step}"
            cause = (
                'The base model or its VAE overflows at this precision: use mixed_precision "no" or "bf16".'
                if first
                else "The learning rate is most likely too high: lower it, and start from the last good"
                " checkpoint or from the beginning."
            )
            self.report.message(
                "error", f"The loss is no number {where} (NaN or infinite). {cause}", "loss_nan"
            )
            return "failed"

    def _run(self) -> Outcome:
        config, plan = self.config, self.plan
        start, skipped = divmod(self.step, plan.steps_per_epoch)
        if config.sample_at_first and self.step == 0:
            self.drawer.draw(self.report, self.stop, 0, 0)
        self.report.phase("training")
        for epoch in range(start, plan.epochs):
            self.report.emit(events.Epoch(epoch + 1, plan.epochs))
            batches = self._batches(epoch)
            chunks = [
                batches[first : first + plan.accumulation]
                for first in range(0, len(batches), plan.accumulation)
            ]
            for position in range(skipped if epoch == start else 0, len(chunks)):
                if self.stop.requested:
                    return self._stopped(epoch)
                self._step(epoch, position * plan.accumulation, chunks[position])
                if self.step >= plan.total_steps:
                    break
            self._end_epoch(epoch + 1)
        if self.step < plan.total_steps:
            return self._stopped(plan.epochs)
        self.save_lora(config.name, plan.epochs, final=True)
        if config.save_state or config.save_state_on_train_end:
            self.save_state(config.name, plan.epochs)
        return "finished"

    def _batches(self, epoch: int) -> list[Batch]:
        return epoch_batches(
            self.buckets,
            self.config.train_batch_size,
            [item.caption for item in self.items],
            CaptionRules(self.config.shuffle_caption, self.config.keep_tokens),
            flip=self.config.flip_aug,
            seed=self.seed,
            epoch=epoch,
        )

    def _step(self, epoch: int, position: int, batches: list[Batch]) -> None:
        begun = time.monotonic()
        self._set_rates()
        rates = {
            name: rate_in_use(group)
            for name, group in zip(self.group_names, self.optimizer.param_groups, strict=True)
        }
        losses = []
        for batch in batches:
            with self.accelerator.autocast():
                loss = self.loss_of(batch)
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                self.report.emit(events.Step(self.step + 1, None, epoch=epoch + 1, finite=False))
                raise NotFiniteError
            # A lone last pass of an epoch is divided all the same, as accelerate does it.
            self.accelerator.backward(loss / self.plan.accumulation)
        limit = self.config.max_grad_norm or math.inf
        norm = float(self.accelerator.clip_grad_norm_(self.network.parameters(), limit))
        # With fp16 the gradient scaler skips such a step and lowers its scale.
        if not math.isfinite(norm) and self.accelerator.scaler is None:
            self.report.emit(events.Step(self.step + 1, None, epoch=epoch + 1, finite=False))
            raise NotFiniteError
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        for number, loss_value in enumerate(losses):
            self.average.add(epoch, position + number, loss_value)
        self.report.emit(
            events.Step(
                self.step,
                sum(losses) / len(losses),
                self.average.mean,
                epoch + 1,
                rates,
                norm if math.isfinite(norm) else None,
                time.monotonic() - begun,
            )
        )

    def loss_of(self, batch: Batch) -> Tensor:
        """The loss of one forward pass, with fresh noise."""
        config, device = self.config, self.accelerator.device
        latents = torch.stack([self.latents.get(shown) for shown in batch.pictures])
        latents = latents.to(device) * config.facts.latent_scale
        disturbance = noise.draw_noise(latents, config.noise_offset or 0.0)
        timesteps = noise.draw_timesteps(len(batch.pictures))
        noisy = noise.add_noise(latents, disturbance, timesteps, self.schedule)
        condition = self.conditions.get([shown.caption for shown in batch.pictures])
        items = [self.items[shown.index] for shown in batch.pictures]
        sizes = [
            size_conditions(item, flipped=shown.flipped)
            for item, shown in zip(items, batch.pictures, strict=True)
        ]
        answer = predict(
            self.unet, noisy, timesteps.to(device), condition, torch.tensor(sizes, device=device)
        )
        target = target_of(
            latents, disturbance, timesteps, self.schedule, v_parameterization=config.v_parameterization
        )
        weights = torch.tensor([item.weight for item in items], device=device)
        return loss_of_batch(loss_of_samples(answer, target), weights)

    def _set_rates(self) -> None:
        config, total = self.config, self.plan.total_steps
        factor = rate_factor(
            config.lr_scheduler,
            self.step + self.schedule_offset,
            total,
            warmup_steps(config.lr_warmup_steps, total),
        )
        for group, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = rate * factor

    def _end_epoch(self, epoch: int) -> None:
        """``epoch`` counts from 1. The last epoch's file is the final one."""
        config = self.config
        if epoch < self.plan.epochs and checkpoints.is_due(config.save_every_n_epochs, epoch):
            stem = checkpoints.epoch_stem(config, epoch)
            self.save_lora(stem, epoch)
            if config.save_state:
                self.save_state(stem, epoch)
            checkpoints.remove_old(config, epoch)
            self.report.phase("training")
        if checkpoints.is_due(config.sample_every_n_epochs, epoch):
            self.drawer.draw(self.report, self.stop, epoch, self.step)

    def _stopped(self, epoch: int) -> Outcome:
        if self.step:
            stem = checkpoints.step_stem(self.config, self.step)
            self.save_lora(stem, epoch)
            self.save_state(stem, epoch)
        return "stopped"

    def save_lora(self, stem: str, epoch: int, *, final: bool = False) -> Path:
        """Write the LoRA. Never writes weights that are no numbers."""
        self.report.phase("saving", f"{stem}.safetensors")
        if not all(bool(torch.isfinite(weight).all()) for weight in self.network.parameters()):
            raise NotFiniteError
        path = checkpoints.lora_path(self.config, stem)
        entries = self.entries | metadata.of_file(self.config, stem, self.step, epoch)
        lora_file.save(path, self.network.tensors(), entries, self.config.save_precision)
        self.report.emit(events.Checkpoint(str(path), self.step, epoch, final))
        return path

    def save_state(self, stem: str, epoch: int) -> None:
        """Write a folder to resume from."""
        path = checkpoints.state_path(self.config, stem)
        progress = Progress(
            epoch,
            self.step,
            self.seed,
            self.plan.batches_per_epoch,
            self.step + self.schedule_offset,
            list(self.average.losses),
        )
        state.save(path, self.network, self.optimizer, progress)
        self.report.emit(events.StateSaved(str(path), self.step, epoch))
