"""What a supervisor and an open panel cost a training: its step time with both, beside the same without.

    python benchmarks/supervision.py [--steps 400] [--pairs 4]

The demo's tiny model (a step of some tens of milliseconds, so that any cost shows), trained in pairs, in turn
with and without going first: bare, its output to a file; and as a run with its supervisor and the panel
open in a pseudo-terminal of 100x30. A step's time is the median over the middle of the run of the trainer's
own clock; CPU seconds are the kernel's, of each process.
"""

from __future__ import annotations

import argparse
import os
import pty
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Iterator
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
class Taken:
    """One training."""

    step: float
    """Median seconds."""
    cpu: float
    """CPU seconds of the trainer, from its start."""
    beside: float = 0.0
    """CPU of supervisor and panel, as a share of the trainer's, from the first step on."""


def steps_of(output: Path) -> list[float]:
    """Seconds of each step, as the trainer measured them, the first and last tenth left out."""
    found = []
    for line in output.read_bytes().splitlines():
        if line.startswith(_PREFIX):
            event = msgspec.json.decode(line[len(_PREFIX) :])
            if event.get("event") == "step" and event.get("elapsed"):
                found.append(event["elapsed"])
    tenth = len(found) // 10
    return found[tenth:-tenth]


def bare(decided: recipe.Recipe) -> Taken:
    """The trainer alone."""
    engine = BuiltinEngine()
    run = store.create(decided, "builtin")
    launched = engine.prepare(decided, run.folder)
    for name, text in launched.files.items():
        (run.folder / name).write_text(text)
    command = launched.command
    with run.output.open("wb") as output:
        before = os.times()
        done = subprocess.run(
            command.argv,
            cwd=run.folder / command.cwd,
            env={**os.environ, **command.env},
            stdout=output,
            stderr=output,
            check=True,
        )
        after = os.times()
    assert done.returncode == 0
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Taken(statistics.median(steps_of(run.output)), cpu)


def supervised(decided: recipe.Recipe) -> Taken:
    """As a run, with its panel open."""
    run = launch.start(decided, BuiltinEngine())
    with panel(run) as seen:
        kept = {"panel": 0.0, "supervisor": 0.0, "trainer": 0.0}
        first: dict[str, float] = {}
        while store.state(run)[0] not in ("finished", "failed", "lost"):
            status = store.read_status(run)
            identities = {"supervisor": status and status.supervisor, "trainer": status and status.trainer}
            pids = {name: identity.pid for name, identity in identities.items() if identity}
            for name, pid in (*pids.items(), ("panel", seen)):
                kept[name] = cpu_of(pid, kept[name])
            if not first and status and status.step:
                first = dict(kept)
            signal.sigtimedwait([], 0.2)
    assert store.state(run)[0] == "finished", store.state(run)
    spent = {name: kept[name] - first[name] for name in kept}
    share = (spent["supervisor"] + spent["panel"]) / spent["trainer"]
    return Taken(statistics.median(steps_of(run.output)), kept["trainer"], share)


def cpu_of(pid: int, last: float) -> float:
    """CPU seconds of a process so far; what it had last once it is gone."""
    try:
        return max(last, float(sum(psutil.Process(pid).cpu_times()[:2])))
    except psutil.Error:
        return last


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


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--pairs", type=int, default=4)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LORATUI_HOME"] = folder
        demo.make_pictures()
        demo.make_model()
        decided = recipe.change(
            demo.recipe(),
            {
                "steps.epochs": None,
                "steps.target": arguments.steps,
                "samples.every_epochs": 0,
                "output.save_every_epochs": 0,
            },
        )
        ratios, shares, trainers = [], [], []
        for number in range(arguments.pairs):
            if number % 2:
                with_all, alone = supervised(decided), bare(decided)
            else:
                alone, with_all = bare(decided), supervised(decided)
            ratios.append(with_all.step / alone.step)
            trainers.append(with_all.cpu / alone.cpu)
            shares.append(with_all.beside)
            print(
                f"pair {number + 1}: step {alone.step * 1000:.1f} ms alone,"
                f" {with_all.step * 1000:.1f} ms with, ratio {ratios[-1]:.3f};"
                f" trainer's CPU {alone.cpu:.1f} s, {with_all.cpu:.1f} s, ratio {trainers[-1]:.3f};"
                f" supervisor and panel {with_all.beside:.2%} of it",
                flush=True,
            )
        print(
            f"step time with / without: median {statistics.median(ratios):.3f}, {min(ratios):.3f} to"
            f" {max(ratios):.3f}; CPU of the trainer {statistics.median(trainers):.3f}; supervisor and"
            f" panel {statistics.median(shares):.2%} of it"
        )


if __name__ == "__main__":
    main()
