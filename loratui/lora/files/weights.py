"""The modules of a LoRA file and what each adds to its layer."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from loratui.formats.lora_names import is_lora_key
from loratui.lora.changing.precision import fits
from loratui.lora.files.module_names import Module, Naming, read_key
from loratui.lora.files.streams import Reader

if TYPE_CHECKING:
    import torch

FOLDED_ALPHA = "loratui.folded_alpha"
"""Metadata: JSON, alpha of each module whose scale was put into its weights (``rename``)."""
Kind = Literal["lora", "loha", "lokr", "unknown"]
ADAPTER_METADATA = "lora_adapter_metadata"
"""Where diffusers keeps rank and alpha (loaders/lora_base.py, ``LORA_ADAPTER_METADATA_KEY``)."""


@dataclass(frozen=True, slots=True)
class LoraModule:
    """One module of a file; its tensors are read when asked for."""

    module: Module
    kind: Kind
    names: dict[str, str]
    """Tensor by role."""

    @property
    def label(self) -> str:
        """How to call it in a sentence."""
        return f"{self.module.part}.{self.module.path}"[:120]


class LoraFile:
    """An open LoRA file.

    Raises ``UserError`` when it does not open, is no LoRA, or holds weights of no known module.
    """

    def __init__(self, path: Path) -> None:
        self.reader = Reader(path)
        try:
            self._read_names()
        except BaseException:
            self.reader.__exit__(None, None, None)
            raise

    def _read_names(self) -> None:
        names = self.reader.header.tensors
        if not any(is_lora_key(name) for name in names):
            raise self.reader.error("this is no LoRA: none of its tensors is named like one.")
        grouped: dict[Module, dict[str, str]] = {}
        strange = []
        self.sgm = False
        namings: set[Naming] = set()
        for name in names:
            key = read_key(name)
            if key is None:
                strange.append(name)
                continue
            roles = grouped.setdefault(key.module, {})
            if key.role in roles:
                raise self.reader.error(
                    f"two of its tensors are the same thing: {roles[key.role][:80]} and {name[:80]}."
                )
            roles[key.role] = name
            self.sgm |= key.sgm
            namings.add(key.naming)
        if strange:
            raise self.reader.error(
                f"{len(strange)} of its {len(names)} tensors belong to no module of Stable Diffusion, first"
                f" {strange[0][:80]}: a LoRA for another kind of model.",
                "Only LoRAs for SD 1.x, 2.x and SDXL are understood.",
            )
        if len(namings) > 1:
            raise self.reader.error("it mixes Kohya's names with diffusers'.")
        (self.naming,) = namings
        self.modules = {module: LoraModule(module, _kind(roles), roles) for module, roles in grouped.items()}
        self._adapter = _adapter(self.reader.header.metadata)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.reader.__exit__(kind, error, trace)

    @property
    def path(self) -> Path:
        """The file."""
        return self.reader.path

    @property
    def sdxl(self) -> bool:
        """Whether it was made for SDXL, by names and widths."""
        if self.sgm or any(module.part == "text_encoder_2" for module in self.modules):
            return True
        for found in self.modules.values():
            if found.module.path.endswith("attn2.to_k") and "down" in found.names:
                shape = self.reader.header.tensors[found.names["down"]].shape
                if len(shape) > 1 and shape[1] in (768, 1024, 2048):
                    return shape[1] == 2048
        paths = [module.path for module in self.modules if module.part == "unet"]
        if not paths:
            return any(name.startswith("lora_te1_") for name in self.reader.header.tensors)
        return (
            self.naming == "diffusers"
            and any(".attentions." in path for path in paths)
            and not any(path.startswith("down_blocks.0.attentions") for path in paths)
        )

    def plain(self) -> Iterator[LoraModule]:
        """All modules, each an ordinary LoRA or LoCon. Raises ``UserError`` for any other kind."""
        for found in self.modules.values():
            if found.kind != "lora" or "dora_scale" in found.names or "mid" in found.names:
                raise self.reader.error(
                    f"{found.label} is of the type {self._type(found)}, which has no two factors to work on.",
                    "This works on LoRA and LoCon files.",
                )
            yield found

    def factors(self, found: LoraModule) -> tuple[torch.Tensor, torch.Tensor, float]:
        """``(up, down, scale)`` in float32: what is added is ``scale * up @ down``. up is (out, rank);
        down is (rank, inputs), of a convolution (rank, inputs, height, width)."""
        up, down = self._get(found, "up"), self._get(found, "down")
        flat = up.flatten(1) if up.dim() > 1 else up
        if down.dim() not in (2, 4) or flat.dim() != 2 or flat.shape[1] != down.shape[0] or not down.numel():
            raise self.reader.error(
                f"the two halves of {found.label} do not fit: {list(down.shape)} and {list(up.shape)}."
            )
        return flat, down, self.alpha(found, down.shape[0]) / down.shape[0]

    def alpha(self, found: LoraModule, rank: int) -> float:
        """alpha: its own tensor, else what diffusers' metadata says, else the rank."""
        if "alpha" in found.names:
            value = self._get(found, "alpha")
            if value.numel() != 1:
                raise self.reader.error(f"alpha of {found.label} is not one number.")
            return float(value)
        known = self._adapter.get(f"{found.module.part}.alpha_pattern")
        path = found.module.path
        if isinstance(known, dict):
            for name in (path, path.removeprefix("text_model.")):
                if isinstance(known.get(name), int | float):
                    return float(known[name])
        general = self._adapter.get(f"{found.module.part}.lora_alpha")
        return float(general) if isinstance(general, int | float) else float(rank)

    def add_to(self, weight: torch.Tensor, found: LoraModule, strength: float) -> None:
        """Add ``strength`` times the module to a layer's weight (float32, changed in place).

        Raises ``UserError`` when it does not fit, and for a type that is no sum (DoRA).
        """
        if found.kind == "unknown" or "dora_scale" in found.names:
            raise self.reader.error(
                f"{found.label} is of the type {self._type(found)}, which cannot be merged here.",
                "Only LoRA, LoCon, LoHa and LoKr are understood.",
            )
        try:
            if found.kind == "lora" and "mid" not in found.names:
                up, down, scale = self.factors(found)
                self._check_shape(found, (up.shape[0], *down.shape[1:]), weight)
                weight.reshape(up.shape[0], -1).addmm_(up, down.flatten(1), alpha=scale * strength)
                return
            makers = {"lora": self._tucker, "loha": self._loha, "lokr": self._lokr}
            weight.add_(makers[found.kind](found, weight).reshape(weight.shape), alpha=strength)
        except (RuntimeError, IndexError):
            raise self.reader.error(f"the parts of {found.label} do not fit together.") from None

    def _check_shape(self, found: LoraModule, shape: Sequence[int], weight: torch.Tensor) -> None:
        """Before the product, which a hostile file could make larger than the memory."""
        if math.prod(shape) != weight.numel() or shape[0] != weight.shape[0]:
            raise self.reader.error(
                f"{found.label} has the shape {list(shape)}, and the model's is {list(weight.shape)}:"
                " it was made for another family of models."
            )

    def _tucker(self, found: LoraModule, weight: torch.Tensor) -> torch.Tensor:
        # A small kernel between two 1x1 convolutions (sd-scripts networks/lora.py has none; LyCORIS
        # modules/locon.py, use_tucker).
        import torch

        up, down = self._get(found, "up").flatten(1), self._get(found, "down").flatten(1)
        middle = self._get(found, "mid")
        self._check_shape(found, (up.shape[0], down.shape[1], *middle.shape[2:]), weight)
        whole = torch.einsum("or,rskl,si->oikl", up, middle, down)
        return whole * (self.alpha(found, down.shape[0]) / down.shape[0])

    def _loha(self, found: LoraModule, weight: torch.Tensor) -> torch.Tensor:
        # LyCORIS modules/loha.py: the entrywise product of two low-rank matrices.
        halves = []
        for half in ("w1", "w2"):
            left, right = self._get(found, f"hada_{half}_a"), self._get(found, f"hada_{half}_b")
            self._check_shape(found, (left.shape[0], right.shape[1]), weight)
            halves.append(left @ right)
        return halves[0] * halves[1] * (self.alpha(found, right.shape[0]) / right.shape[0])

    def _lokr(self, found: LoraModule, weight: torch.Tensor) -> torch.Tensor:
        # LyCORIS modules/lokr.py: a Kronecker product; scaled only where a factor is itself low-rank.
        import torch

        scale = 1.0
        factors = []
        for half in ("w1", "w2"):
            if f"lokr_{half}" in found.names:
                factors.append(self._get(found, f"lokr_{half}"))
                continue
            left, right = self._get(found, f"lokr_{half}_a"), self._get(found, f"lokr_{half}_b")
            if left.shape[0] * right[0].numel() > weight.numel():
                self._check_shape(found, (left.shape[0], *right.shape[1:]), weight)
            product = left @ right.flatten(1)
            factors.append(product.reshape(-1, *right.shape[1:]) if right.dim() == 4 else product)
            scale = self.alpha(found, right.shape[0]) / right.shape[0]
        first, second = factors
        self._check_shape(
            found,
            (first.shape[0] * second.shape[0], first.shape[1] * second.shape[1], *second.shape[2:]),
            weight,
        )
        if second.dim() == 4:
            first = first[:, :, None, None]
        return torch.kron(first.contiguous(), second.contiguous()) * scale

    def _get(self, found: LoraModule, role: str) -> torch.Tensor:
        if role not in found.names:
            raise self.reader.error(f"a part of {found.label} is missing ({role}).", "Download it again.")
        name = found.names[role]
        tensor = self.reader.tensor(name).float()
        if not fits(tensor, "F32"):
            raise self.reader.error(
                f"{name[:100]} holds NaN or infinite numbers: this LoRA is broken.",
                "Take an earlier checkpoint of that training.",
            )
        return tensor

    def _type(self, found: LoraModule) -> str:
        return (
            "DoRA"
            if "dora_scale" in found.names
            else {"loha": "LoHa", "lokr": "LoKr"}.get(
                found.kind, "Tucker LoRA" if "mid" in found.names else "unknown"
            )
        )


def _kind(roles: dict[str, str]) -> Kind:
    known = set(roles) - {"alpha", "dora_scale"}
    if known == {"down", "up"} or known == {"down", "up", "mid"}:
        return "lora"
    if known == {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}:
        return "loha"
    halves = [{"lokr_w1"}, {"lokr_w1_a", "lokr_w1_b"}], [{"lokr_w2"}, {"lokr_w2_a", "lokr_w2_b"}]
    if any(known == one | two for one in halves[0] for two in halves[1]):
        return "lokr"
    # Half of a LoRA: reading the other half says what is missing.
    return "lora" if known and known < {"down", "up"} else "unknown"


def _adapter(metadata: object) -> dict[str, object]:
    text = metadata.get(ADAPTER_METADATA, "") if isinstance(metadata, dict) else ""
    try:
        value = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
