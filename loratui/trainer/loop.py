"""The training loop: steps, epochs, and what is saved along the way."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal

import torch

from loratui import events
from loratui.problems import UserError
from loratui.trainer import noise
from loratui.trainer.base.base_files import BaseFiles
from loratui.trainer.captions.conditions import Conditions
from loratui.trainer.control import Asked
from loratui.trainer.distributed import Together
from loratui.trainer.lora import lora_file, metadata
from loratui.trainer.optimizing.optimizers import averaged
from loratui.trainer.optimizing.scaling import scaling_of
from loratui.trainer.pictures import data
from loratui.trainer.pictures.batches import Batch, Buckets, Shown, epoch_batches
from loratui.trainer.pictures.data import Item, size_conditions
from loratui.trainer.pictures.latents import LatentCache
from loratui.trainer.randomness import seed_all
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.reporting.step_events import Begun, Telling
from loratui.trainer.samples.drawing import Drawer
from loratui.trainer.saving import checkpoints, state
from loratui.trainer.saving.keeping import Keeping
from loratui.trainer.saving.state import Progress
from loratui.trainer.schedule import Plan
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.options import Options
from loratui.trainer.stepping import Fed, NotFiniteError, Stepper
from loratui.trainer.stopping import StopRequest
from loratui.trainer.to_gpu import moved, stacked
from loratui.trainer.validating import validation_loss

Outcome = Literal["finished", "stopped", "failed"]


@dataclass(slots=True)
class Training:
    """All parts of a training that is ready to run."""

    config: TrainConfig
    stepper: Stepper
    items: list[Item]
    buckets: Buckets
    batch_sizes: Sequence[int]
    """By dataset."""
    latents: LatentCache
    conditions: Conditions
    drawer: Drawer
    plan: Plan
    seed: int
    report: Reporter
    telling: Telling
    stop: StopRequest
    options: Options
    entries: dict[str, str]
    """Metadata that every file carries."""
    base_files: BaseFiles = field(default_factory=BaseFiles)
    """What the base model's weights are read from."""
    step: int = 0
    """Optimizer steps done."""
    schedule_offset: int = 0
    validation: Sequence[Batch] = ()
    """What the loss of validation is the mean of; shown alike each time."""
    validated: int = -1
    """The step it was last worked out for."""

    def run(self) -> Outcome:
        """Train to the planned total. Raises ``UserError`` when something cannot be saved."""
        try:
            return self._run()
        except NotFiniteError:
            self.step = self.telling.told
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
        config, plan, keeping = self.config, self.plan, self._keeping()
        start, skipped = divmod(self.step, plan.steps_per_epoch)
        if config.sample_at_first and self.step == 0:
            self._draw(0)
        self.report.phase("training")
        for epoch in range(start, plan.epochs if self.step < plan.total_steps else start):
            self.telling.settle()
            self.report.emit(events.Epoch(epoch + 1, plan.epochs))
            batches = self._batches(epoch)
            chunks = plan.chunks(batches)
            for position in range(skipped if epoch == start else 0, len(chunks)):
                if self.together.any(self.stop.requested):
                    return self._stopped(epoch)
                self._step(epoch, position * plan.accumulation, chunks[position])
                self._look_at_base()
                keeping.after_step(self.step, epoch + 1)
                if checkpoints.is_due(config.validate_every_n_steps, self.step):
                    self._validate()
                if self.step >= plan.total_steps:
                    break
            if (epoch + 1) % (config.validate_every_n_epochs or 1) == 0:
                self._validate()
            keeping.after_epoch(epoch + 1)
        if self.step < plan.total_steps:
            return self._stopped(plan.epochs)
        self.save_lora(config.name, plan.epochs, final=True)
        if config.save_state or config.save_state_on_train_end:
            try:
                keeping.state_saved(self.save_state(config.name, plan.epochs))
            except UserError as error:
                words = f"The LoRA is whole; the state to go on from another time is missing. {error}"
                self.report.message("warning", words)
        return "finished"

    def _look_at_base(self) -> None:
        if (file := self.base_files.written_over()) is not None:
            self.report.message(
                "warning",
                f"{file} was written to, and this training reads its base model from it: what it learns from"
                f" step {self.step} on may fit neither the old model nor the new one. Stop it, and start"
                " again, or resume a state from before that.",
            )

    def _keeping(self) -> Keeping:
        return Keeping(
            self.config,
            self.plan,
            self.report,
            self.save_lora,
            self.save_state,
            self._draw,
            self.options.asked if self.together.leads else Asked(),
            self.options.state_minutes * 60 if self.together.leads else 0.0,
        )

    @property
    def together(self) -> Together:
        return self.stepper.together

    def _batches(self, epoch: int) -> list[Batch]:
        first, each = epoch * self.plan.steps_per_epoch, self.together.world * self.plan.accumulation

        def show(index: int, number: int, random: Random) -> Shown:
            return data.shown(self.items, index, random, epoch + 1, first + number // each)

        batches = epoch_batches(self.buckets, self.batch_sizes, show, seed=self.seed, epoch=epoch)
        return self.together.share(batches)

    def _step(self, epoch: int, position: int, batches: Sequence[Batch]) -> None:
        since = time.monotonic()
        if not self.together.leads:
            # Noise of its own, that a state need not hold: it follows from the step.
            seed_all(hash((self.seed, self.step + self.schedule_offset, self.together.rank)) % 2**63)
        passes = [partial(self.fed, batch) for batch in batches]
        scheduled = self.step + self.schedule_offset
        try:
            numbers = self.stepper.begin(scheduled, passes, check=not self.telling.late)
        except NotFiniteError:
            self.telling.no_number(self.step + 1, epoch)
            raise
        self.step += 1
        self.schedule_offset -= numbers.skipped
        images = self.together.world * sum(len(batch.pictures) for batch in batches)
        self.telling.add(Begun(self.step, epoch, position, images, since, numbers))

    def fed(self, batch: Batch, timestep: int | None = None) -> Fed:
        """A batch with fresh noise and timesteps, or all at one ``timestep``."""
        config, device = self.config, self.stepper.accelerator.device
        found = [self.latents.shown(shown) for shown in batch.pictures]
        latents = stacked([latents for latents, _ in found], device) * config.facts.latent_scale
        disturbance = noise.draw_noise(
            latents,
            config.noise_offset or 0.0,
            adaptive_scale=config.adaptive_noise_scale or 0.0,
            random_strength=config.noise_offset_random_strength,
        )
        if config.multires_noise_iterations:
            disturbance = noise.multires_noise(
                disturbance, config.multires_noise_iterations, config.multires_noise_discount
            )
        timesteps = noise.draw_timesteps(
            len(batch.pictures), config.min_timestep or 0, config.max_timestep or noise.TIMESTEPS
        )
        if timestep is not None:
            timesteps = torch.full_like(timesteps, timestep)
        timesteps = moved(timesteps, device)
        noisy = None
        if config.ip_noise_gamma:
            more = noise.perturbed(
                disturbance, config.ip_noise_gamma, random_strength=config.ip_noise_gamma_random_strength
            )
            noisy = noise.add_noise(latents, more, timesteps, self.stepper.diffusion.signal)
        condition = self.conditions.get([shown.caption for shown in batch.pictures])
        items = [self.items[shown.index] for shown in batch.pictures]
        sizes = [
            size_conditions(item, flipped=shown.flipped)
            for item, shown in zip(items, batch.pictures, strict=True)
        ]
        return Fed(
            latents,
            disturbance,
            timesteps,
            condition,
            moved(torch.tensor(sizes), device),
            moved(torch.tensor([item.weight for item in items]), device),
            noisy,
            _masks(latents, [mask for _, mask in found]),
            preserved([item.subset.preserves for item in items], device),
        )

    def _validate(self) -> None:
        """By steps and by epochs, as sd-scripts has it (train_network.py:1535, 1609); once a step."""
        if not self.validation or not self.together.leads or self.validated == self.step:
            return
        self.validated = self.step
        self.telling.settle()
        with averaged(self.stepper.optimizer):
            loss = validation_loss(
                self.validation, self.config, self.stepper, self.fed, self.seed, self.report
            )
        self.report.emit(events.Measured(self.step, validation_loss=loss))
        self.report.phase("training")

    def _draw(self, epoch: int | None) -> None:
        self.telling.settle()
        if not self.together.leads:
            return
        with averaged(self.stepper.optimizer):
            self.drawer.draw(self.report, self.stop, epoch, self.step)

    def _stopped(self, epoch: int) -> Outcome:
        if self.step:
            stem = checkpoints.step_stem(self.config, self.step)
            self.save_lora(stem, epoch)
            self.save_state(stem, epoch)
        return "stopped"

    def save_lora(self, stem: str, epoch: int, *, final: bool = False) -> Path:
        """Write the LoRA. Never writes weights that are no numbers."""
        self.telling.settle()
        self.report.phase("saving", f"{stem}.safetensors")
        if not self.stepper.network.is_finite():
            raise NotFiniteError
        path = checkpoints.lora_path(self.config, stem)
        if not self.together.leads:
            return path
        entries = self.entries | metadata.of_file(self.config, stem, self.step, epoch)
        with averaged(self.stepper.optimizer):
            lora_file.save(path, self.stepper.network.tensors(), entries, self.config.save_precision)
        self.report.emit(events.Checkpoint(str(path), self.step, epoch, final))
        return path

    def save_state(self, stem: str, epoch: int) -> Path:
        """Write a folder to resume from."""
        self.telling.settle()
        path = checkpoints.state_path(self.config, stem)
        if not self.together.leads:
            return path
        progress = Progress(
            epoch,
            self.step,
            self.seed,
            self.plan.batches_per_epoch,
            self.step + self.schedule_offset,
            list(self.telling.average.losses),
            scaling_of(self.stepper.accelerator.scaler),
        )
        state.save(path, self.stepper.network, self.stepper.optimizer_state(), progress)
        self.report.emit(events.StateSaved(str(path), self.step, epoch))
        return path


def preserved(wanted: Sequence[bool], device: torch.device) -> torch.Tensor | None:
    """[B] bool, or None where it is wanted of nobody."""
    return moved(torch.tensor(wanted), device) if any(wanted) else None


def _masks(latents: torch.Tensor, masks: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """[B,1,h,w]; pictures without one count whole."""
    if all(mask is None for mask in masks):
        return None
    whole = torch.ones(latents.shape[2:])
    stacked = torch.stack([whole if mask is None else mask for mask in masks])
    return moved(stacked[:, None], latents.device)
