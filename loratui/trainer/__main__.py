"""``python -m loratui.trainer --config_file config.toml``: one training run, told as JSON lines.

Exit codes: 0 finished, or stopped on request; 1 failed; 2 the config was refused.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from loratui.events import Ended, Event
from loratui.problems import UserError
from loratui.trainer.config import ConfigRefusedError, load_config
from loratui.trainer.report import Reporter, line_writer
from loratui.trainer.stopping import StopRequest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trainer. The events go to standard output, everything else to standard error."""
    parser = argparse.ArgumentParser(prog="python -m loratui.trainer", description=__doc__)
    parser.add_argument("--config_file", type=Path, required=True, help="a Kohya config.toml")
    options = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    emit = line_writer(_own_stdout())
    stop = StopRequest(at_once=lambda: _end_now(emit))
    stop.listen()
    return guarded(options.config_file, Reporter(emit), stop)


def guarded(config_file: Path, report: Reporter, stop: StopRequest) -> int:
    """Train, and turn whatever goes wrong into one sentence and an exit code."""
    try:
        report.phase("starting")
        config = load_config(config_file)
        report.phase("libraries", "loading PyTorch and diffusers")
        from loratui.trainer.session import train  # seconds of imports: after the first words

        return train(config, report, stop)
    except UserError as error:
        report.message("error", str(error))
        report.emit(Ended("failed", report.step))
        return 2 if isinstance(error, ConfigRefusedError) else 1
    except Exception as error:
        traceback.print_exc()
        with suppress(OSError):
            report.message("error", _sentence(error))
            report.emit(Ended("failed", report.step))
        return 1


def _sentence(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0][:300]
    if isinstance(error, ModuleNotFoundError):
        return f'The package {error.name} is missing. Run: pip install "loratui[train]"'
    if isinstance(error, MemoryError) or "out of memory" in first.lower() or "can't allocate" in first:
        return (
            f"Not enough memory: {first} Use a smaller train_batch_size or resolution, or"
            " gradient_checkpointing."
        )
    return f"The trainer broke off unexpectedly ({type(error).__name__}: {first}). The log has the details."


def _own_stdout() -> int:
    """A descriptor for events alone; what libraries print goes to standard error from now on."""
    sys.stdout.flush()
    events = os.dup(1)
    os.dup2(2, 1)
    return events


def _end_now(emit: Callable[[Event], None]) -> NoReturn:
    """Leave from inside a signal handler, whatever library is at work: nothing is half written yet."""
    with suppress(OSError):
        emit(Ended("stopped", 0))
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
