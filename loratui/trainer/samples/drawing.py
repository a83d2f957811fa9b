"""Drawing the sample pictures of a training."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from loratui import events
from loratui.formats.sample_prompts import Prompt
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.captions.conditions import Conditions
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.samples.samplers import sampler_for
from loratui.trainer.samples.sampling import decode, sample, sample_path, write_png
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.stopping import StopRequest


class Drawer:
    """Draws every prompt with the LoRA as it stands."""

    def __init__(
        self,
        config: TrainConfig,
        model: BaseModel,
        conditions: Conditions,
        prompts: Sequence[Prompt],
        schedule: torch.Tensor,
        accelerator: Any,
    ) -> None:
        self._config = config
        self._model = model
        self._conditions = conditions
        self._prompts = prompts
        self._schedule = schedule
        self._accelerator = accelerator
        self._device: torch.device = accelerator.device
        self._seeds = random.Random()
        self._told: set[str] = set()

    def draw(self, report: Reporter, stop: StopRequest, epoch: int | None, step: int) -> None:
        """One picture for each prompt, named by ``epoch``, else by ``step``; ends early when it is asked to.
        Raises ``UserError`` when the disk refuses."""
        if not self._prompts:
            return
        vae = self._model.vae.to(self._device)
        for index, prompt in enumerate(self._prompts):
            report.progress("sampling", index, len(self._prompts), prompt.text)
            seed = self._seeds.randrange(2**32) if prompt.seed is None else prompt.seed
            with torch.no_grad(), self._accelerator.autocast():
                positive, negative = self._conditions.to_draw(prompt)
                latents = sample(
                    self._model.unet,
                    prompt,
                    positive,
                    negative,
                    self._schedule,
                    self._device,
                    seed=seed,
                    v_parameterization=self._config.v_parameterization,
                    sampler=self._sampler(prompt, report),
                    stopped=lambda: stop.requested,
                )
                if latents is None:
                    break
            if not torch.isfinite(latents).all():
                report.message("warning", f"Sample {index} came out as NaN and is black.")
            with torch.no_grad():
                pixels = decode(vae, latents, self._config.facts.latent_scale)
            folder = Path(self._config.output_dir).expanduser()
            path = sample_path(folder, self._config.name, epoch, index, seed, step)
            write_png(path, pixels)
            report.emit(events.Sample(str(path), step, prompt.text))
        vae.to("cpu")
        report.phase("training")

    def _sampler(self, prompt: Prompt, report: Reporter) -> str:
        """Says once which one draws in place of another."""
        wanted = prompt.sampler or self._config.sample_sampler
        own, same = sampler_for(wanted)
        if not same and wanted not in self._told:
            self._told.add(wanted)
            report.message("info", f"Samples are drawn with {own}, which comes closest to {wanted} here.")
        return own
