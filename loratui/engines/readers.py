"""What a supervisor must know of an engine, and no more: it holds for the whole run what it imports."""

from __future__ import annotations

from pathlib import Path

from loratui.engines.engine import LogReader, Watcher
from loratui.recipe import EngineName


def reader(name: EngineName, run_folder: Path | None = None) -> LogReader:
    """A fresh reader for what that engine's trainer prints. In ``run_folder`` it may find what was written
    down of earlier attempts."""
    if name == "kohya":
        from loratui.engines.kohya.log import KohyaReader
        from loratui.engines.kohya.resume import read_ledger

        return KohyaReader(read_ledger(run_folder).steps_done or None)
    from loratui.engines.builtin_log import BuiltinReader

    return BuiltinReader()


def watcher(name: EngineName, run_folder: Path) -> Watcher | None:
    """What else to look at in an attempt that is about to start; None when its log tells all."""
    if name == "kohya":
        from loratui.engines.kohya.watch import KohyaWatcher

        return KohyaWatcher(run_folder)
    return None


def saves_on_stop(name: EngineName) -> bool:
    """Whether a stop of that engine saves the LoRA and a state first. sd-scripts has no signal handler: what
    it saved last stays (train_network.py)."""
    return name == "builtin"
