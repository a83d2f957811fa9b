"""A process of the trainer's room that answers a request: started, listened to, and ended."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TypeVar

import msgspec

from loratui import places, python_path
from loratui.builtin import lora_request
from loratui.cli.output import say
from loratui.engines.registry import engine
from loratui.events import PREFIX, Event, Message, Phase, Sample, decode_event
from loratui.problems import Problem, UserError

_Answer = TypeVar("_Answer", bound=msgspec.Struct)


def require_trainer() -> None:
    """Raises ``UserError`` when the libraries that run a model are not installed."""
    status = engine("builtin").status()
    if not status.ready:
        raise UserError("", Problem("", f"this runs a model; {status.detail}.", status.fix))


def ask(
    module: str, make: Callable[[str], msgspec.Struct], kind: type[_Answer], tell: Callable[[Event], None]
) -> _Answer:
    """Run ``python -m loratui.trainer.MODULE`` on a request and return its answer.

    ``make`` builds the request around the path its answer goes to; ``tell`` gets each event. Ctrl+C asks the
    process to end well, a second time ends it at once. Raises ``UserError`` with the process's own
    sentence when it fails.
    """
    with tempfile.TemporaryDirectory(prefix="loratui-") as folder:
        answer, question = Path(folder) / "answer.json", Path(folder) / "request.json"
        lora_request.write(question, make(str(answer)))
        log = Path(folder) / "log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                python_path.own(f"loratui.trainer.{module}", str(question)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        try:
            failure, asked_to_end = _listen(process, tell)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if answer.exists():
            return lora_request.read(answer, kind)
        if asked_to_end or process.returncode == 0:
            raise KeyboardInterrupt
        raise _failed(failure, process.returncode, log.read_text("utf-8", "replace"))


def _failed(failure: str, code: int, log: str) -> UserError:
    """The process's own sentence, else its last line; a traceback is kept in a file."""
    lines = log.strip().splitlines()
    last = lines[-1][:300] if lines else f"exit code {code}"
    fix = ""
    if "Traceback" in log or not failure:
        kept = places.home() / "error.log"
        with contextlib.suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(log, encoding="utf-8")
            fix = f"The log is in {kept}."
    return UserError("", Problem("", failure or f"it broke off unexpectedly: {last}", fix))


def _listen(process: subprocess.Popen[bytes], tell: Callable[[Event], None]) -> tuple[str, bool]:
    """Pass events on until the process ends. Returns the error it spoke of, or nothing, and whether it was
    asked to end."""
    assert process.stdout is not None
    failure = ""
    prefix = PREFIX.encode()
    with _ctrl_c_ends(process) as asked:
        for line in process.stdout:
            if not line.startswith(prefix):
                continue
            try:
                event = decode_event(line.removeprefix(prefix))
            except ValueError:
                continue
            if isinstance(event, Message) and event.level == "error":
                failure = event.text
            else:
                tell(event)
        process.wait()
    return failure, bool(asked)


@contextlib.contextmanager
def _ctrl_c_ends(process: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """The first Ctrl+C asks the process to end, wherever we are just then; the second is our own end. Gives
    the signals that came."""
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def ask_to_end(number: int, frame: FrameType | None) -> None:
        came.append(number)
        signal.signal(signal.SIGINT, before)
        process.terminate()

    signal.signal(signal.SIGINT, ask_to_end)
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


class Narrator:
    """Says what the process does, on standard error."""

    def __init__(self) -> None:
        self._total = 0

    def __call__(self, event: Event) -> None:
        match event:
            case Phase(name="sampling", total=total):
                self._total = total or 0
            case Phase(name="libraries" | "network", detail=detail):
                say(detail)
            case Phase(name="model", detail=detail):
                say(f"loading {detail}")
            case Sample():
                say(f"picture {event.step} of {self._total}: {event.path}")
            case Message():
                say(event.text)
