"""A loaded base model that draws with one LoRA or another."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import torch

from loratui.builtin.lora_request import LoraFile, SheetRequest
from loratui.families import FAMILIES
from loratui.formats.sample_prompts import Prompt
from loratui.trainer import noise
from loratui.trainer.base.loading import load
from loratui.trainer.captions.text import Condition, encode
from loratui.trainer.lora.adapter import Adapter
from loratui.trainer.samples.sampling import decode, sample, write_png

_TEXT = "lora_te"
_TINY = 10_000_000
"""Parameters."""


class Studio:
    """Loads the model at once: half precision on a GPU, float32 on a CPU."""

    def __init__(self, request: SheetRequest) -> None:
        self._request = request
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.on_cpu = self._device.type == "cpu"
        dtype = torch.float32 if self.on_cpu else torch.float16
        self._model = load(Path(request.base), request.family, dtype)
        for part in (self._model.unet, self._model.vae, *self._model.text_encoders):
            part.to(self._device)
        size = sum(parameter.numel() for parameter in self._model.unet.parameters())
        if self.on_cpu and size < _TINY and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(1)
        self._adapter = Adapter(self._model, self._device)
        self._loaded: LoraFile | None = None
        schedule = noise.alphas_cumprod()
        self._schedule = noise.zero_terminal_snr(schedule) if request.zero_terminal_snr else schedule
        self._conditions: dict[tuple[str, float, str], Condition] = {}

    def draw(
        self,
        path: Path,
        file: LoraFile | None,
        strength: float,
        prompt: str,
        seed: int,
        stopped: Callable[[], bool],
    ) -> str | None:
        """Draw one picture to ``path``. Returns a remark for the person or nothing; None when it was asked to
        stop. Raises ``UserError`` when the LoRA or the disk refuses."""
        request = self._request
        self._take(file, strength)
        width, height = request.size
        wanted = Prompt(
            prompt, width, height, request.negative, seed, scale=request.scale, steps=request.steps
        )
        with torch.no_grad(), torch.autocast(self._device.type, torch.float16, enabled=not self.on_cpu):
            latents = sample(
                self._model.unet,
                wanted,
                self._condition(file, strength, prompt),
                self._condition(file, strength, request.negative),
                self._schedule,
                self._device,
                seed=seed,
                v_parameterization=request.v_parameterization,
                stopped=stopped,
            )
        if latents is None:
            return None
        sound = bool(torch.isfinite(latents).all())
        with torch.no_grad():
            pixels = decode(self._model.vae, latents, FAMILIES[request.family].latent_scale)
        write_png(path, pixels)
        return "" if sound else "it came out as NaN and is black."

    def _take(self, file: LoraFile | None, strength: float) -> None:
        if file is None:
            self._adapter.strength(0.0)
            return
        if file is not self._loaded:
            self._conditions = {key: value for key, value in self._conditions.items() if not key[0]}
            self._adapter.load(file)
            self._loaded = file
        self._adapter.strength(strength)

    def _condition(self, file: LoraFile | None, strength: float, text: str) -> Condition:
        """What a text means to the text encoders as they stand. Call it after ``_take``."""
        changed = file is not None and any(module.layer.startswith(_TEXT) for module in file.modules)
        key = (file.path, strength, text) if file is not None and changed else ("", 0.0, text)
        if key not in self._conditions:
            self._conditions[key] = encode(self._model, [text], self._request.clip_skip)
        return self._conditions[key]
