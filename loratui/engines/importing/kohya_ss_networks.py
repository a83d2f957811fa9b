"""The LoRA types of kohya_ss' GUI as ``network_module`` and ``network_args`` (kohya_gui/lora_gui.py,
``train_model``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from loratui.builtin.support import BLOCK_ARGS, LORA_MODULE, LYCORIS_MODULE

_DROPOUTS = ("rank_dropout", "module_dropout")
_TUCKER = (*_DROPOUTS, "train_norm", "use_tucker")
_DORA = (*_TUCKER, "bypass_mode", "dora_wd", "use_scalar")
_FLUX = (
    *("img_attn_dim", "img_mlp_dim", "img_mod_dim", "single_dim", "txt_attn_dim", "txt_mlp_dim"),
    *("txt_mod_dim", "single_mod_dim", "in_dims", "train_double_block_indices", "train_single_block_indices"),
    *("split_qkv", "train_t5xxl"),
)

_LYCORIS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "LoCon": ("locon", _DORA),
    "LyCORIS/LoCon": ("locon", _DORA),
    "LyCORIS/LoHa": ("loha", _DORA),
    "LyCORIS/LoKr": ("lokr", (*_DORA, "factor", "use_cp", "decompose_both")),
    "LyCORIS/GLoRA": ("glora", _TUCKER),
    "LyCORIS/DyLoRA": ("dylora", _TUCKER),
    "LyCORIS/iA3": ("ia3", ()),
    "LyCORIS/BOFT": ("boft", _TUCKER),
    "LyCORIS/Diag-OFT": ("diag-oft", (*_TUCKER, "constrain", "rescaled")),
    "LyCORIS/Native Fine-Tuning": ("full", (*_DROPOUTS, "train_norm")),
}
"""The algorithm, and the settings beside preset and convolutions that the GUI hands over with it. Two more,
``rank_dropout_scale`` and ``train_on_input``, LyCORIS never reads (lycoris-lora 4.1.3, kohya.py)."""
_OWN: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "Standard": (LORA_MODULE, (*sorted(BLOCK_ARGS), *_DROPOUTS)),
    "Kohya LoCon": (LORA_MODULE, (*sorted(BLOCK_ARGS), *_DROPOUTS)),
    "LoRA-FA": ("networks.lora_fa", (*sorted(BLOCK_ARGS), *_DROPOUTS)),
    "Kohya DyLoRA": ("networks.dylora", (*sorted(BLOCK_ARGS), *_DROPOUTS, "unit")),
    "Kohya LoHa": ("networks.loha", (*_DROPOUTS, "use_tucker")),
    "Kohya LoKr": ("networks.lokr", (*_DROPOUTS, "use_tucker", "factor")),
    "Flux1": ("networks.lora_flux", (*_FLUX, *_DROPOUTS)),
    "Flux1 OFT": ("networks.oft_flux", ("enable_all_linear",)),
    "HunyuanImage-2.1": ("networks.lora_hunyuan_image", _DROPOUTS),
    "Anima": ("networks.lora_anima", _DROPOUTS),
    "Lumina": ("networks.lora_lumina", _DROPOUTS),
}
_WITH_CONVOLUTIONS = frozenset({"Kohya LoCon", "Kohya DyLoRA", "Kohya LoHa", "Kohya LoKr"})
_PLUS = ("loraplus_lr_ratio", "loraplus_unet_lr_ratio", "loraplus_text_encoder_lr_ratio")
_RENAMED = {"constrain": "constraint"}
_AS_WITHOUT = {"factor": -1, "unit": 1}
_EMPTY = ("", None, False, 0, "0", "0.0", "False", "None")

_LATER = {
    "LyCORIS/GLora": "LyCORIS/GLoRA",
    "Kohya C3Lier": "Kohya LoCon",
    "LyCORIS/Full": "LyCORIS/Native Fine-Tuning",
}
"""Names of earlier versions of the GUI."""

SETTINGS = frozenset(
    {name for _, names in (*_LYCORIS.values(), *_OWN.values()) for name in names}
    | {*_PLUS, "LoRA_type", "LyCORIS_preset", "conv_dim", "conv_alpha", "conv_dims", "conv_alphas"}
    | {
        "rank_dropout_scale",
        "train_on_input",
        "ggpo_beta",
        "ggpo_sigma",
        "train_lora_ggpo",
        "train_blocks",
        "block_lr",
    }
)
"""What the GUI says of networks, whatever the type: a type takes its own of them and leaves the others."""


def network(gui: Mapping[str, Any]) -> dict[str, Any]:
    """``network_module`` and ``network_args``. Raises ``KeyError`` for a type that is none."""
    kind = str(gui.get("LoRA_type") or "Standard")
    kind = _LATER.get(kind, kind)
    if kind in _LYCORIS:
        algorithm, names = _LYCORIS[kind]
        plain = kind.endswith("LoCon") and not any(_set(gui, (*names, *_PLUS)))
        if plain and _preset(gui) == "full" and int(float(gui.get("conv_dim") or 0)):
            return {"network_module": LORA_MODULE, "network_args": list(_convolutions(gui))}
        arguments = [f"algo={algorithm}", *_of_lycoris(gui, algorithm), *_set(gui, names)]
        module = LYCORIS_MODULE
    else:
        module, names = _OWN[kind]
        if module == LORA_MODULE and gui.get("sd3_checkbox"):
            module = "networks.lora_sd3"
        arguments = [*_set(gui, names)]
        if kind in _WITH_CONVOLUTIONS and float(gui.get("conv_dim") or 0) > 0:
            arguments += _convolutions(gui)
        if kind == "Flux1":
            arguments += _of_flux(gui)
    arguments += _set(gui, _PLUS)
    return {"network_module": module} | ({"network_args": arguments} if arguments else {})


def is_own_locon(gui: Mapping[str, Any], module: str) -> bool:
    """Whether LyCORIS' LoCon became sd-scripts' own, which both engines train with no further package."""
    return module == LORA_MODULE and gui.get("LoRA_type") in ("LoCon", "LyCORIS/LoCon")


def _of_lycoris(gui: Mapping[str, Any], algorithm: str) -> Iterator[str]:
    if (preset := _preset(gui)) != "full":
        yield f"preset={preset}"
    if algorithm != "full" and "conv_dim" in gui:
        yield from _convolutions(gui)
    if algorithm == "dylora":
        yield f"block_size={gui.get('unit') or 1}"


def _preset(gui: Mapping[str, Any]) -> str:
    return str(gui.get("LyCORIS_preset") or "full")


def _convolutions(gui: Mapping[str, Any]) -> Iterator[str]:
    yield f"conv_dim={int(float(gui.get('conv_dim') or 0))}"
    yield f"conv_alpha={float(gui.get('conv_alpha') or 1):g}"


def _of_flux(gui: Mapping[str, Any]) -> Iterator[str]:
    if gui.get("split_mode"):
        yield "train_blocks=single"
    if gui.get("train_lora_ggpo"):
        yield from _set(gui, ("ggpo_beta", "ggpo_sigma"))


def _set(gui: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    """Arguments that say something else than what holds without them."""
    for name in names:
        value = gui.get(name)
        if value in _EMPTY or (name in _AS_WITHOUT and float(value) == _AS_WITHOUT[name]):
            continue
        yield f"{_RENAMED.get(name, name)}={value}"
