"""The modules of a LoRA file: which tensors belong together, from the header alone.

Endings: sd-scripts ``networks/lora.py``, LyCORIS ``lycoris/modules/*.py`` (LoCon, LoHa, LoKr, IA3, full,
norm, DoRA's ``dora_scale``), peft's ``lora_A``/``lora_B`` and diffusers' older ``_lora.down``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from loratui.formats.tensorfile import Tensor

Kind = Literal["lora", "loha", "lokr", "ia3", "full", "norm", "oft", "glora", "unknown"]
Naming = Literal["kohya", "diffusers", "diffusers_old", "peft", "comfyui", "other"]

_ENDING = re.compile(
    r"(?:"
    r"(?P<down>\.lora_down\.weight|\.lora_A(?:\.[^.]+)?\.weight|[._]lora(?:_linear_layer)?\.down\.weight)"
    r"|(?P<up>\.lora_up\.weight|\.lora_B(?:\.[^.]+)?\.weight|[._]lora(?:_linear_layer)?\.up\.weight)"
    r"|(?P<mid>\.lora_mid\.weight)"
    r"|(?P<dora_scale>\.dora_scale|\.lora_magnitude_vector(?:\.[^.]+)?(?:\.weight)?)"
    r"|\.(?P<named>alpha|hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t[12]|on_input"
    r"|diff|diff_b|w_norm|b_norm|oft_blocks|oft_diag|rescale|scalar|bias_indices|bias_values|bias_size)"
    r"|\.(?P<glora>[ab][12])\.weight"
    r"|(?P<weight>\.weight)"
    r")$"
)
"""A tensor's name ends in one of these; what comes before is the module's name."""

_KINDS: tuple[tuple[Kind, str], ...] = (
    ("lora", "down"),
    ("lora", "up"),
    ("loha", "hada_w1_a"),
    ("lokr", "lokr_w1"),
    ("lokr", "lokr_w1_a"),
    ("lokr", "lokr_w2"),
    ("ia3", "on_input"),
    ("full", "diff"),
    ("norm", "w_norm"),
    ("oft", "oft_blocks"),
    ("oft", "oft_diag"),
    ("glora", "a1"),
)


@dataclass(frozen=True, slots=True)
class Module:
    """What a LoRA adds to one layer."""

    name: str
    """As the file names it, without the endings of its tensors."""
    kind: Kind
    keys: Mapping[str, str]
    """Part (``down``, ``up``, ``mid``, ``alpha``, ``hada_w1_a`` ...) to the tensor's name in the file."""
    shapes: Mapping[str, tuple[int, ...]]
    """The same parts' shapes."""

    @property
    def rank(self) -> int | None:
        """The inner size of its factors; None for kinds without one."""
        for part, axis in (("down", 0), ("hada_w1_b", 0), ("lokr_w1_b", 0), ("lokr_w2_b", 0)):
            shape = self.shapes.get(part, ())
            if len(shape) > 1:
                return shape[axis]
        return None

    @property
    def size(self) -> tuple[int, int] | None:
        """(outputs, inputs x kernel) of the layer it changes; None when the shapes do not tell."""
        shapes = self.shapes
        try:
            match self.kind:
                case "lora":
                    kernel = math.prod(shapes["mid"][2:]) if "mid" in shapes else 1
                    return shapes["up"][0], math.prod(shapes["down"][1:]) * kernel
                case "loha" if "hada_t1" in shapes:
                    inner = shapes["hada_w1_b"][1] * math.prod(shapes["hada_t1"][2:])
                    return shapes["hada_w1_a"][1], inner
                case "loha":
                    return shapes["hada_w1_a"][0], math.prod(shapes["hada_w1_b"][1:])
                case "lokr":
                    first, second = _kron_side(shapes, "lokr_w1"), _kron_side(shapes, "lokr_w2")
                    return first[0] * second[0], first[1] * second[1]
                case "full":
                    return shapes["diff"][0], math.prod(shapes["diff"][1:])
                case _:
                    return None
        except (KeyError, IndexError):
            return None

    @property
    def misfit(self) -> str:
        """What is missing or does not fit in it, in words; empty when it is whole."""
        shapes = self.shapes
        if self.kind == "lora":
            missing = [part for part in ("down", "up") if len(shapes.get(part, ())) < 2]
            if missing:
                return f"has no usable {' and no '.join(missing)} half"
            inner = shapes["mid"][0] if len(shapes.get("mid", ())) > 1 else shapes["down"][0]
            if shapes["up"][1] != inner:
                return f"has halves that do not fit: {list(shapes['up'])} and {list(shapes['down'])}"
        elif self.kind == "loha":
            missing = [
                part for part in ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b") if part not in shapes
            ]
            if missing:
                return f"has no {missing[0]}"
        if self.kind in ("lora", "loha", "lokr") and self.size is None:
            return "lacks a part"
        return ""


def find_modules(tensors: Mapping[str, Tensor]) -> list[Module]:
    """All modules, in the order of the file. Tensors that belong to none are left out."""
    parts: dict[str, dict[str, str]] = {}
    for key in tensors:
        found = _ENDING.search(key)
        if found:
            group = found.lastgroup or ""
            part = found[group] if group in ("named", "glora") else group
            parts.setdefault(key[: found.start()], {})[part] = key
    modules = []
    for name, keys in parts.items():
        kind: Kind = next((kind for kind, part in _KINDS if part in keys), "unknown")
        if kind == "unknown" and not keys.keys() & {"alpha", "dora_scale"}:
            continue  # an ordinary weight of something else
        shapes = {part: tensors[key].shape for part, key in keys.items()}
        modules.append(Module(name, kind, keys, shapes))
    return modules


def type_of(modules: list[Module]) -> str:
    """lora, locon (a LoRA that also changes convolutions with a kernel), dora, loha, lokr, ia3, full, oft,
    glora or unknown: what most modules are."""
    counts = Counter(module.kind for module in modules if module.kind != "norm")
    kind = counts.most_common(1)[0][0] if counts else "unknown"
    if kind != "lora":
        return kind
    if any("dora_scale" in module.keys for module in modules):
        return "dora"
    return "locon" if any(_has_kernel(module) for module in modules) else "lora"


def naming_of(modules: list[Module]) -> Naming:
    """Whose names the file uses: kohya (``lora_unet_...``), diffusers (``unet.....lora_A``), diffusers_old
    (``.processor.to_q_lora.down``), peft (``base_model.model.`` or a bare module path), comfyui
    (``diffusion_model.``)."""
    counts = Counter(_naming(module) for module in modules)
    return counts.most_common(1)[0][0] if counts else "other"


def _naming(module: Module) -> Naming:
    name, down = module.name, module.keys.get("down", "")
    if name.startswith(("lora_", "lycoris_")):
        return "kohya"
    if name.startswith(("diffusion_model.", "model.diffusion_model.")):
        return "comfyui"
    if ".lora_A." in down:
        components = ("unet.", "text_encoder.", "text_encoder_2.", "transformer.")
        return "diffusers" if name.startswith(components) else "peft"
    return "diffusers_old" if down.endswith((".down.weight", "_lora.down.weight")) else "other"


def _has_kernel(module: Module) -> bool:
    return "mid" in module.shapes or math.prod(module.shapes.get("down", ())[2:]) > 1


def _kron_side(shapes: Mapping[str, tuple[int, ...]], side: str) -> tuple[int, int]:
    """(rows, columns x kernel) of one factor of a Kronecker product, whole or in two halves."""
    if side in shapes:
        return shapes[side][0], math.prod(shapes[side][1:])
    first, second = shapes[f"{side}_a"], shapes[f"{side}_b"]
    core = shapes.get(f"{side.replace('_w', '_t')}")
    if core is not None:
        return first[1], second[1] * math.prod(core[2:])
    return first[0], math.prod(second[1:])
