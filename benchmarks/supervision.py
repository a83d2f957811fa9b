"""What a supervisor and an open panel cost a training: its step time with both at work, beside the same
without.

    python benchmarks/supervision.py [--steps 1500] [--window 5]

One run of the demo's tiny model (a step of some tens of milliseconds, so that any cost shows) with its
supervisor, and its panel open in a pseudo-terminal of 100x30. Both are let run and held still (SIGSTOP) in
turn, window by window, while the trainer goes on: its output goes to a file and waits for nobody. Windows
that follow each other are compared, so that a machine whose load drifts does little harm; windows of the same
kind, compared in the same way, tell the noise. What was held still catches up in the next window, which makes
the cost look larger than it is. What supervisor and panel take themselves is measured before that, while
nothing is held still.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

import msgspec
import psutil

from loratui import demo, recipe
from loratui.engines.builtin import BuiltinEngine
from loratui.runs import launch, store
from loratui.runs.layout import Run

COLUMNS, ROWS = 100, 30
_PREFIX = b"@loratui "


@dataclass(frozen=True)
class Window:
    """Some seconds of the training."""

    watched: bool
    """Whether supervisor and panel were at work."""
    step: float
    """Median seconds of a step, by the trainer's own clock."""
    cpu: float
    """The trainer's CPU seconds a step."""


def step_seconds(data: bytes) -> list[float]:
    """Of each whole step told of in these bytes of the log."""
    found = []
    for line in data.splitlines()[1:-1]:  # the ends may be torn
        if line.startswith(_PREFIX):
            event = msgspec.json.decode(line[len(_PREFIX) :])
            if event.get("event") == "step" and event.get("elapsed"):
                found.append(event["elapsed"])
    return found


def cpu_of(*pids: int) -> float:
    """CPU seconds of these processes so far."""
    return sum(float(sum(psutil.Process(pid).cpu_times()[:2])) for pid in pids)


def windows(run: Run, panel_pid: int, seconds: float) -> Iterator[Window]:
    """Let both run and hold them still in turn until the training is over."""
    status = store.read_status(run)
    assert status is not None and status.supervisor is not None and status.trainer is not None
    trainer, others = status.trainer.pid, (status.supervisor.pid, panel_pid)
    watched = True
    while True:
        for pid in others:
            os.kill(pid, signal.SIGCONT if watched else signal.SIGSTOP)
        start, offset = time.monotonic(), run.output.stat().st_size
        before = cpu_of(trainer)
        while time.monotonic() - start < seconds:
            time.sleep(0.1)
            if psutil.Process(trainer).status() == psutil.STATUS_ZOMBIE or b"saving" in tail(
                run.output, offset
            ):
                for pid in others:
                    os.kill(pid, signal.SIGCONT)
                return
        spent = cpu_of(trainer) - before
        steps = step_seconds(tail(run.output, offset))
        if steps:
            yield Window(watched, statistics.median(steps), spent / len(steps))
        watched = not watched


def shares(run: Run, panel_pid: int, seconds: float) -> tuple[float, float]:
    """Of a core: what the supervisor and what the panel take while both are left alone."""
    status = store.read_status(run)
    assert status is not None and status.supervisor is not None
    pids = status.supervisor.pid, panel_pid
    start, before = time.monotonic(), [cpu_of(pid) for pid in pids]
    time.sleep(seconds)
    passed = time.monotonic() - start
    supervisor, panel = [(cpu_of(pid) - spent) / passed for pid, spent in zip(pids, before, strict=True)]
    return supervisor, panel


def tail(path: Path, offset: int) -> bytes:
    """What a file holds behind an offset."""
    with path.open("rb") as file:
        file.seek(offset)
        return file.read()


@contextmanager
def panel(run: Run) -> Iterator[int]:
    """The panel of a run in a terminal that reads all it sends. Yields its PID."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", LANG="C.UTF-8")
        os.execvp(sys.executable, [sys.executable, "-m", "loratui"])
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            if select.select([terminal], [], [], 0.2)[0]:
                os.read(terminal, 65536)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield pid
    finally:
        over.set()
        reader.join()
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(terminal)


def ratios(found: Sequence[Window], of: Callable[[Window], float], apart: int) -> list[float]:
    """Watched by unwatched, for windows side by side; with ``apart`` 2, one by the next of the same kind."""
    pairs = [(one, two) for one, two in zip(found, found[apart:], strict=False)]
    return [of(one) / of(two) if one.watched or apart == 2 else of(two) / of(one) for one, two in pairs]


def words(found: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(found, n=4)
    return f"{middle:.3f} (quartiles {low:.3f} to {high:.3f})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--window", type=float, default=5, help="seconds")
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["LORATUI_HOME"] = folder
        demo.make_pictures()
        demo.make_model()
        changes = {"steps.epochs": None, "steps.target": arguments.steps, "samples.every_epochs": 0}
        decided = recipe.change(demo.recipe(), {**changes, "output.save_every_epochs": 0})
        run = launch.start(decided, BuiltinEngine())
        with panel(run) as pid:
            while (status := store.read_status(run)) is None or status.step < 20:
                assert status is None or status.state in ("starting", "running"), status
                time.sleep(0.2)
            supervisor, seen = shares(run, pid, 5 * arguments.window)
            found = list(windows(run, pid, arguments.window))
        watched = [window for window in found if window.watched]
        print(f"{len(found)} windows of {arguments.window:g} s, a step {watched[0].step * 1000:.0f} ms")
        for name, of in (("step time", lambda one: one.step), ("trainer's CPU a step", lambda one: one.cpu)):
            print(f"{name}, with / without: {words(ratios(found, of, 1))}")
            print(f"{name}, noise (same kind): {words(ratios(found, of, 2))}")
        print(f"supervisor {supervisor:.2%} of a core, panel {seen:.2%}")


if __name__ == "__main__":
    main()
