"""A process that answers one request: events out, one sentence for whatever goes wrong."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from loratui.builtin import lora_request
from loratui.events import Ended
from loratui.problems import UserError
from loratui.trainer.process import end_now, own_stdout, sentence
from loratui.trainer.reporting.report import Reporter, line_writer
from loratui.trainer.stopping import StopRequest

Request = TypeVar("Request", bound=msgspec.Struct)


def serve(
    arguments: list[str] | None,
    kind: type[Request],
    work: Callable[[Request, Reporter, StopRequest], int],
    *,
    less_memory: str,
) -> int:
    """Read the request that the command line names and work on it. Returns the exit code.

    The events go to standard output, everything else to standard error.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("request", type=Path, help="a request in JSON")
    options = parser.parse_args(arguments)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    emit = line_writer(own_stdout())
    report = Reporter(emit)
    stop = StopRequest(at_once=lambda number: end_now(emit, number))
    stop.listen()
    try:
        report.phase("starting")
        return work(lora_request.read(options.request, kind), report, stop)
    except BrokenPipeError:
        return 1  # nobody listens any more
    except UserError as error:
        report.message("error", str(error))
    except Exception as error:
        traceback.print_exc(file=sys.stderr)
        with suppress(OSError):
            report.message("error", sentence(error, less_memory))
    with suppress(OSError):
        report.emit(Ended("failed", 0))
    return 1
