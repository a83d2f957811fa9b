"""LoRA files that are made here: Kohya's names, alpha, metadata, hashes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.lora.changing.precision import fits
from loratui.lora.files.module_names import Module, kohya_name
from loratui.lora.files.streams import PRECISIONS, Entry, made, without_hashes, write
from loratui.lora.files.weights import ADAPTER_METADATA, FOLDED_ALPHA
from loratui.problems import Problem, UserError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class NewModule:
    """One module to be written."""

    names: Mapping[str, str]
    """Tensor name by role: down, up and, where its strength is to be written, alpha."""
    up: torch.Tensor
    down: torch.Tensor
    alpha: float

    @property
    def rank(self) -> int:
        """How many rows ``down`` has."""
        return self.down.shape[0]


def kohya_names(module: Module, *, sdxl: bool) -> dict[str, str]:
    """Kohya's tensor names of a module."""
    stem = kohya_name(module, sdxl=sdxl)
    return {"down": f"{stem}.lora_down.weight", "up": f"{stem}.lora_up.weight", "alpha": f"{stem}.alpha"}


def shaped(up: torch.Tensor, down: torch.Tensor, inputs: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat factors in the shape of their layer: ``inputs`` is (inputs,) of a linear layer, or (inputs,
    height, width) of a convolution, whose up is a 1x1 convolution."""
    rank = down.shape[0]
    if len(inputs) == 1:
        return up, down
    return up.reshape(*up.shape, 1, 1), down.reshape(rank, *inputs)


def save_lora(out: Path, modules: Sequence[NewModule], metadata: Mapping[str, str], dtype: str) -> int:
    """Write the modules in ``dtype`` with the metadata, rank and alpha put right. Returns bytes.

    Raises ``UserError`` when a number does not fit the format or the disk refuses.
    """
    ranks = {module.rank for module in modules}
    alphas = {module.alpha for module in modules}
    kept = {
        key: text
        for key, text in without_hashes(metadata).items()
        if key not in (ADAPTER_METADATA, FOLDED_ALPHA)
    }
    kept["ss_network_dim"] = str(*ranks) if len(ranks) == 1 else "Dynamic"
    kept["ss_network_alpha"] = f"{next(iter(alphas)):g}" if len(alphas) == 1 else "Dynamic"
    kept.setdefault("ss_network_module", "networks.lora")
    found: list[Entry] = []
    for module in modules:
        import torch

        for role, tensor in (("alpha", torch.tensor(module.alpha)), ("down", module.down), ("up", module.up)):
            if role in module.names:
                found.append(_entry(out, module.names[role], tensor, dtype))
    return write(out, found, kept, hashed=True)


def _entry(out: Path, name: str, tensor: torch.Tensor, dtype: str) -> Entry:
    def make() -> torch.Tensor:
        if not fits(tensor, dtype):
            raise UserError(
                str(out),
                Problem(
                    "",
                    f"a number in {name[:100]} is too large for {dtype.lower()}"
                    f" (up to {float(tensor.abs().max()):.3g}).",
                    "Use --precision bf16 or float, or a smaller strength.",
                ),
            )
        return tensor

    return made(name, dtype, tensor.shape, make)


def common_dtype(dtypes: Iterable[str], precision: str | None) -> str:
    """``precision`` if given, else the one format of all inputs, else F32, which holds them all."""
    if precision:
        return PRECISIONS[precision]
    known = set(dtypes) & {"F32", "F16", "BF16"}
    return known.pop() if len(known) == 1 else "F32"


Progress = Callable[[int, int], None]
"""Called with modules done and modules in all."""


def no_progress(done: int, total: int) -> None:
    """Tells nobody."""
