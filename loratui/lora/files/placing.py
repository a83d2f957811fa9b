"""Which layer of a base model each module of a LoRA file belongs to, for a process that runs the model."""

from __future__ import annotations

from pathlib import Path

from loratui.builtin import lora_request
from loratui.builtin.lora_request import PlacedModule
from loratui.formats.lora_family import family_of_lora
from loratui.formats.tensorfile import read_header
from loratui.lora.checking import verify
from loratui.lora.checking.fit import fit_problems
from loratui.lora.files.base import Base
from loratui.lora.files.layers import canonical
from loratui.lora.files.modules import find_modules
from loratui.lora.files.scale import scales
from loratui.problems import Problem, UserError, refusal

_PICKLED = frozenset({".pt", ".pth", ".ckpt", ".bin"})
_KINDS = {"loha": "LoHa", "lokr": "LoKr", "ia3": "IA3", "oft": "OFT", "glora": "GLoRA"}


def place(path: Path, base: Base) -> lora_request.LoraFile:
    """All modules of ``path`` with their layers in ``base``. Reads the file once; runs nothing.

    Raises ``UserError`` for what is no sound LoRA file, holds NaN, is of a type without two factors (LoHa,
    LoKr, DoRA ...), or was made for another model.
    """
    if path.suffix.lower() in _PICKLED and path.is_file():
        raise refusal(
            path,
            "this is a pickled file, which can run any code when opened.",
            "Use the .safetensors version of this LoRA.",
        )
    wrong = verify.problems(path)
    if wrong:
        raise UserError(str(path), *wrong)
    header = read_header(path)
    modules = find_modules(header.tensors)
    factors = scales(path, header, modules)
    for module in modules:
        kind = "DoRA" if "dora_scale" in module.keys else _KINDS.get(module.kind, module.kind)
        if kind != "lora":
            raise refusal(
                path,
                f"{module.name[:80]} is of the type {kind}, which has no two factors to put into a model.",
                "This works on LoRA and LoCon files.",
            )
        if module.misfit:
            raise refusal(
                path, f"{module.name[:80]} {module.misfit}.", "It was not saved whole: download it again."
            )
    shapes = {name: tensor.shape for name, tensor in header.tensors.items()}
    misplaced: list[Problem] = []
    not_compared: list[str] = []
    fit_problems(modules, family_of_lora(shapes, header.metadata)[0], base, misplaced, not_compared)
    if misplaced:
        raise UserError(str(path), misplaced[0])
    if not_compared:
        raise refusal(path, not_compared[0], "Choose a base model with all its parts.")
    return lora_request.LoraFile(
        str(path.absolute()),
        tuple(
            PlacedModule(
                canonical(module.name, base.layers_per_block),
                module.keys["down"],
                module.keys["up"],
                factors[module.name].factor,
                module.keys.get("mid"),
            )
            for module in modules
        ),
    )
