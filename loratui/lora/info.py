"""What a LoRA file is: everything ``loratui lora info`` says. Reads the header, the alphas, and hashes the
file; no other number in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from loratui.formats.lora_family import family_of_lora
from loratui.formats.tensorfile import Header, read_header
from loratui.lora.files.hashes import Hashes, hash_file
from loratui.lora.files.layers import block, block_order, canonical
from loratui.lora.files.metadata import Training, training_of
from loratui.lora.files.modules import Module, Naming, find_modules, naming_of, type_of
from loratui.lora.files.scale import Scale, scales
from loratui.lora.publishing.privacy import Leak, leaks_of
from loratui.problems import Problem, UserError

_DTYPES = {"F16": "fp16", "BF16": "bf16", "F32": "fp32", "F64": "fp64"}
_Number = TypeVar("_Number", int, float)
_PICKLED = frozenset({".pt", ".pth", ".ckpt", ".bin"})


@dataclass(frozen=True, slots=True)
class Block:
    """The modules of one block of the model."""

    name: str
    modules: int
    ranks: tuple[int, ...]
    """Distinct values, ascending."""
    alphas: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class LoraInfo:
    """One LoRA file."""

    path: Path
    family: str | None
    """A name of ``families.FAMILIES``, or of a family only told apart; None when unknown."""
    family_evidence: str
    type: str
    """See ``modules.type_of``."""
    naming: Naming
    rank: int | None
    """What most modules have; ``blocks`` says where it differs. None for kinds without a rank."""
    alpha: float | None
    """What most modules have; None when the file says nothing, which loaders take as alpha = rank."""
    modules: int
    blocks: tuple[Block, ...]
    tensors: int
    bytes: int
    """Of the file."""
    dtype: str
    """fp16, bf16, fp32 or safetensors' name: what most bytes are."""
    metadata: Mapping[str, str]
    """As stored."""
    training: Training
    leaks: tuple[Leak, ...]
    hashes: Hashes


def read_info(path: Path) -> LoraInfo:
    """Look at ``path``. Raises ``UserError`` for what is no sound .safetensors file, and for one without
    LoRA weights."""
    if path.suffix.lower() in _PICKLED and path.is_file():
        raise UserError(
            str(path),
            Problem(
                "",
                "this is a pickled file, which can run any code when opened.",
                "Use the .safetensors version of this LoRA.",
            ),
        )
    header = read_header(path)
    modules = find_modules(header.tensors)
    if not modules:
        raise UserError(
            str(path), Problem("", "it holds no LoRA weights.", "'loratui model FILE' says what it is.")
        )
    factors = scales(path, header, modules)
    shapes = {name: tensor.shape for name, tensor in header.tensors.items()}
    family, evidence = family_of_lora(shapes, header.metadata)
    return LoraInfo(
        path=path,
        family=family,
        family_evidence=evidence,
        type=type_of(modules),
        naming=naming_of(modules),
        rank=_most([module.rank for module in modules if module.rank is not None]),
        alpha=_most([alpha for scale in factors.values() if (alpha := scale.alpha) is not None]),
        modules=len(modules),
        blocks=_blocks(modules, factors),
        tensors=len(header.tensors),
        bytes=header.data_start + max(tensor.end for tensor in header.tensors.values()),
        dtype=_dtype(header),
        metadata=header.metadata,
        training=training_of(header.metadata),
        leaks=tuple(leaks_of(header.metadata)),
        hashes=hash_file(path, header),
    )


def _blocks(modules: list[Module], factors: Mapping[str, Scale]) -> tuple[Block, ...]:
    grouped: dict[str, list[Module]] = {}
    for module in modules:
        grouped.setdefault(block(canonical(module.name)), []).append(module)
    return tuple(
        Block(
            name,
            len(members),
            tuple(sorted({rank for module in members if (rank := module.rank) is not None})),
            tuple(sorted({alpha for module in members if (alpha := factors[module.name].alpha) is not None})),
        )
        for name, members in sorted(grouped.items(), key=lambda item: block_order(item[0]))
    )


def _most(values: list[_Number]) -> _Number | None:
    return Counter(values).most_common(1)[0][0] if values else None


def _dtype(header: Header) -> str:
    sizes = Counter[str]()
    for tensor in header.tensors.values():
        sizes[tensor.dtype] += tensor.end - tensor.begin
    name = sizes.most_common(1)[0][0]
    return _DTYPES.get(name, name)
