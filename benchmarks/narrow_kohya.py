"""Runs sd-scripts' train_network.py on the narrow model of ``whole_model``.

    python narrow_kohya.py CHECKOUT ARGUMENTS

Nothing but the widths of its models is changed.
"""

from __future__ import annotations

import runpy
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

NARROW: dict[str, dict[str, Any]] = {
    "unet": {"block_out_channels": [32, 64, 128, 128], "cross_attention_dim": 64},
    "vae": {"block_out_channels": [32, 64, 128, 128]},
    "text_encoder": {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4},
}
"""What makes the model small; every other number stays."""


def _narrow_text_config(real: Any, **values: Any) -> Any:
    return real(**values | NARROW["text_encoder"])


def main() -> None:
    """Put the widths in place, then run the script as if it had been started itself."""
    checkout = Path(sys.argv.pop(1))
    sys.path.insert(0, str(checkout))
    model_util, unet = import_module("library.model_util"), import_module("library.original_unet")
    widths = NARROW["unet"]["block_out_channels"]
    unet.BLOCK_OUT_CHANNELS = tuple(widths)  # type: ignore[attr-defined]
    unet.TIMESTEP_INPUT_DIM, unet.TIME_EMBED_DIM = widths[0], widths[0] * 4  # type: ignore[attr-defined]
    model_util.UNET_PARAMS_MODEL_CHANNELS = widths[0]  # type: ignore[attr-defined]
    model_util.UNET_PARAMS_CONTEXT_DIM = NARROW["unet"]["cross_attention_dim"]  # type: ignore[attr-defined]
    model_util.VAE_PARAMS_CH = NARROW["vae"]["block_out_channels"][0]  # type: ignore[attr-defined]
    kind = partial(_narrow_text_config, model_util.CLIPTextConfig)
    model_util.CLIPTextConfig = kind  # type: ignore[attr-defined]
    runpy.run_path(str(checkout / "train_network.py"), run_name="__main__")


if __name__ == "__main__":
    main()
