"""What a supervisor must know of an engine, and no more: it holds for the whole run what it imports."""

from __future__ import annotations

from loratui.engines.engine import LogReader
from loratui.recipe import EngineName


def reader(name: EngineName) -> LogReader:
    """A fresh reader for what that engine's trainer prints."""
    if name == "kohya":
        from loratui.engines.kohya_log import KohyaReader

        return KohyaReader()
    from loratui.engines.builtin_log import BuiltinReader

    return BuiltinReader()


def saves_on_stop(name: EngineName) -> bool:
    """Whether a stop of that engine saves the LoRA and a state first. sd-scripts has no signal handler: what
    it saved last stays (train_network.py)."""
    return name == "builtin"
