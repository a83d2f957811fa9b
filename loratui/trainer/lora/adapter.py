"""Any Kohya LoRA or LoCon file on a loaded base model, changed without loading the model again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from loratui.builtin.lora_request import LoraFile
from loratui.problems import refusal
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.lora.names import text_encoder_name

_Layer = nn.Linear | nn.Conv2d


@dataclass(frozen=True, slots=True)
class _Factors:
    """What one module of a file adds to its layer: scale x up(mid(down(x)))."""

    down: Tensor
    up: Tensor
    mid: Tensor | None
    scale: float

    def added(self, layer: _Layer, x: Tensor) -> Tensor:
        if isinstance(layer, nn.Linear):
            return functional.linear(functional.linear(x, self.down), self.up) * self.scale
        # The kernel works with the layer's own stride and padding; before and after it are 1x1 ones.
        if self.mid is None:
            inner = layer._conv_forward(x, self.down, None)
        else:
            inner = layer._conv_forward(functional.conv2d(x, self.down), self.mid, None)
        return functional.conv2d(inner, self.up) * self.scale


class _Slot:
    """Stands in for the forward of one layer."""

    def __init__(self, layer: _Layer) -> None:
        self._layer = layer
        self._forward = layer.forward
        self.factors: _Factors | None = None
        self.strength = 1.0
        layer.forward = self.forward  # type: ignore[method-assign,assignment]

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self._forward(x)
        if self.factors is None or self.strength == 0.0:
            return result
        return result + self.factors.added(self._layer, x) * self.strength

    def remove(self) -> None:
        del self._layer.forward  # the class's own shows again


class Adapter:
    """Takes one LoRA at a time onto a base model."""

    def __init__(self, model: BaseModel, device: torch.device) -> None:
        """``model`` already lies on ``device``."""
        self._layers = layers_of(model)
        self._device = device
        self._slots: dict[str, _Slot] = {}

    def load(self, file: LoraFile) -> None:
        """Put the weights of a file in place of the last one's, in float32.

        Raises ``UserError`` when the file is gone or changed, or the model has no such layer.
        """
        self.clear()
        for name, factors in self._read(file).items():
            slot = self._slots.get(name)
            if slot is None:
                slot = self._slots[name] = _Slot(self._layers[name])
            slot.factors = factors

    def strength(self, strength: float) -> None:
        """Multiply what the LoRA adds; 0 leaves the base model as it is."""
        for slot in self._slots.values():
            slot.strength = strength

    def clear(self) -> None:
        """Take the LoRA out; its memory is free again."""
        for slot in self._slots.values():
            slot.factors = None

    def remove(self) -> None:
        """Leave the model's layers as they were found."""
        for slot in self._slots.values():
            slot.remove()
        self._slots.clear()

    def _read(self, file: LoraFile) -> dict[str, _Factors]:
        from safetensors import SafetensorError, safe_open

        path = Path(file.path)
        try:
            with safe_open(path, "pt") as opened:

                def get(name: str) -> Tensor:
                    tensor: Tensor = opened.get_tensor(name)
                    return tensor.to(self._device, torch.float32)

                found = {}
                for module in file.modules:
                    layer = self._layers.get(module.layer)
                    if layer is None:
                        raise refusal(
                            path,
                            f"the base model has no layer {module.layer[:100]}.",
                            "Choose the model this LoRA was made for.",
                        )
                    mid = get(module.mid) if module.mid else None
                    found[module.layer] = _factors(layer, get(module.down), get(module.up), mid, module.scale)
                return found
        except (OSError, SafetensorError) as error:
            raise refusal(
                path, f"it can no longer be read: {error}.", "Check that the file is still there."
            ) from None


def _factors(layer: _Layer, down: Tensor, up: Tensor, mid: Tensor | None, scale: float) -> _Factors:
    if isinstance(layer, nn.Linear):
        return _Factors(down.flatten(1), up.flatten(1), None, scale)
    # A LoRA of a model whose 1x1 convolutions are linear layers fits all the same.
    return _Factors(_as_kernel(down), _as_kernel(up), mid, scale)


def _as_kernel(weight: Tensor) -> Tensor:
    return weight if weight.dim() == 4 else weight[:, :, None, None]


def layers_of(model: BaseModel) -> Mapping[str, _Layer]:
    """Every linear layer and convolution by Kohya's name with diffusers' blocks; text encoders are ``te1``
    and ``te2``."""
    found: dict[str, _Layer] = {}
    for name, layer in model.unet.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            found["lora_unet_" + name.replace(".", "_")] = layer
    for number, encoder in enumerate(model.text_encoders, 1):
        for name, layer in encoder.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d):
                found[text_encoder_name(name, f"lora_te{number}")] = layer
    return found
