"""What every process of this room does the same way: events on standard output, one sentence for a fault."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from loratui.events import Ended, Event
from loratui.trainer.reporting.out_of_memory import is_out_of_memory, shortage


def sentence(error: Exception, less_memory: str) -> str:
    """A fault nobody expected, for a person. ``less_memory`` says what takes less of it."""
    first = (str(error).strip().splitlines() or [""])[0][:300]
    if isinstance(error, ModuleNotFoundError):
        return f'The package {error.name} is missing. Run: pip install "loratui[train]"'
    if is_out_of_memory(error):
        return f"Out of memory: {shortage(error)}. {less_memory}"
    return f"The trainer broke off unexpectedly ({type(error).__name__}: {first}). The log has the details."


def own_stdout() -> int:
    """A descriptor for events alone; what libraries print goes to standard error from now on."""
    sys.stdout.flush()
    events = os.dup(1)
    os.dup2(2, 1)
    return events


def end_now(emit: Callable[[Event], None], number: int) -> NoReturn:
    """Leave from inside a signal handler, whatever library is at work: nothing is half written yet."""
    with suppress(OSError):
        emit(Ended("stopped", 0, by_signal=number))
    os._exit(0)


@contextmanager
def uncollected() -> Iterator[None]:
    """For imports: what comes into being inside stays for good, and is never looked through for garbage. That
    takes a sixth of a small training's time to its first step."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
