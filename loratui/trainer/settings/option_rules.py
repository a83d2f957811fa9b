"""What is wrong with the options beside config.toml."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from loratui.builtin import support as builtin_support
from loratui.problems import Problem
from loratui.trainer.reporting import causes
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.options import Options


def option_problems(config: TrainConfig, options: Options) -> Iterator[Problem]:
    """Whatever of them cannot be done here, or not with this config."""
    if not options.base_4bit:
        return
    package = builtin_support.FOUR_BIT_PACKAGE
    if find_spec(package) is None:
        yield Problem(
            "base_4bit",
            f"it needs the package {package}, which is not installed.",
            f"Run: pip install {package}; or use fp8_base, which needs none.",
            causes.missing(package),
        )
    for key in ("fp8_base", "fp8_base_unet"):
        if getattr(config, key):
            yield Problem("base_4bit", f"contradicts {key}.", "Remove one of the two.")
    if config.network_module == builtin_support.LYCORIS_MODULE:
        # It reads the shapes of the base layers' weights, and those of packed ones are others.
        message = "works with networks.lora (LoRA and LoCon) only."
        yield Problem("base_4bit", message, "Remove it, or use fp8_base_unet with this network.")
