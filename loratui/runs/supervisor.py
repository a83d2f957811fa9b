"""The supervisor of one run: a process of its own that starts the trainer, watches it, and writes down what
happens. ``python -m loratui.runs.supervisor RUN_FOLDER``

It needs no terminal and survives the one it was started from. It knows neither torch nor any screen.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from loratui import places, python_path
from loratui.engines import readers
from loratui.engines.engine import Command, LogReader, Watcher
from loratui.events import Hint
from loratui.problems import UserError
from loratui.runs import lock
from loratui.runs.files import file_size, open_for_append
from loratui.runs.hardware import gpu_locks
from loratui.runs.hardware.meter import FEWEST_STEPS, Meter
from loratui.runs.hints import rules as hint_rules
from loratui.runs.launch_file import read_command
from loratui.runs.layout import Run, Status, read_run_file, read_status, take_requests
from loratui.runs.process import identify
from loratui.runs.supervision.conclusion import Inspection, conclude, inspect_file
from loratui.runs.supervision.progress import Progress
from loratui.runs.supervision.stopping import Signals, Stop
from loratui.runs.supervision.trainer_process import ORPHAN_GRACE, TrainerProcess
from loratui.runs.supervision.watching import Watch

PACE = 0.25
"""Seconds between two looks at the log and at requests."""
GRACE = 120.0
"""Seconds a trainer gets after a stop, to finish its step and save."""
LOG_WARNING = 1 << 30

_STOPPING = {
    True: "A stop was asked for: the trainer finishes its step and saves.",
    False: "A stop was asked for: what follows the last checkpoint is not kept.",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a run, and how to treat it."""

    run: Run
    command: Command
    inspect: Inspection
    locks: tuple[int, ...]
    """The descriptors that hold the run's lock and those of its GPUs."""
    saves_on_stop: bool = True
    grace: float = GRACE
    orphan_grace: float = ORPHAN_GRACE
    patience: float = hint_rules.SHORTEST_SILENCE
    """Seconds of silence that are never called a hang."""
    watcher: Watcher | None = None
    gpus: tuple[int, ...] | None = None
    """The GPUs it may take, as NVML counts them, where that is known."""


def supervise(attempt: Attempt, reader: LogReader, ready: Callable[[], None] = lambda: None) -> Status:
    """Run one attempt to its end; ``ready`` is called once it is taken over. Returns the final status.
    Raises ``OSError`` when the run's folder cannot be written to begin with."""
    run, signals = attempt.run, Signals()
    before = read_status(run) or Status("starting")
    status = Status(
        "starting",
        attempt=before.attempt,
        supervisor=identify(os.getpid()),
        step=before.step,
        total_steps=before.total_steps,
        loss=before.loss,
        started=time.time(),
        gpus=attempt.gpus,
    )
    progress = Progress(run, status, reader, file_size(run.output), attempt.watcher)
    progress.set_state("starting")
    ready()
    try:
        _run(attempt, progress, signals)
    except Exception:
        traceback.print_exc()
        progress.set_state("failed", "loratui's supervisor itself failed; see supervisor.log.")
    progress.close()
    _afterwards(run)
    return progress.status


def _has_afterwards(run: Run) -> bool:
    """Whether anybody wished for something at the run's end; cheap, for most have not."""
    if (places.home() / "notify.toml").is_file() or (run.folder / "stop-machine").is_file():
        return True
    try:
        return b"stop_machine" in run.recipe.read_bytes()
    except OSError:
        return False


def _afterwards(run: Run) -> None:
    try:
        if _has_afterwards(run):
            from loratui.runs.supervision import afterwards

            afterwards.begin(run)
    except Exception:
        traceback.print_exc()


def _run(attempt: Attempt, progress: Progress, signals: Signals) -> None:
    stop, meter = Stop(attempt.grace), Meter()
    progress.status = msgspec.structs.replace(progress.status, gpu=meter.gpu)
    watch = Watch(attempt.run.folder, patience=attempt.patience)
    trainer = _start(attempt, progress)
    if trainer is None:
        return
    try:
        _watch(attempt, progress, trainer, signals, stop, [meter.look, lambda: _look(watch, progress)])
    finally:
        code = trainer.finish()
    progress.read_rest()
    progress.look_around(at_once=True)
    progress.status = msgspec.structs.replace(progress.status, exit_code=code)
    conclude(progress, attempt.command, attempt.inspect, stop, watch.killed_for_memory)
    if progress.status.state in ("finished", "stopped") and progress.status.step >= FEWEST_STEPS:
        from loratui.runs.hardware import (
            measuring,  # it knows the advice, which a running supervisor need not
        )

        measuring.keep(attempt.run, meter)


def _start(attempt: Attempt, progress: Progress) -> TrainerProcess | None:
    try:
        output = open_for_append(attempt.run.output)
        try:
            word = python_path.own("loratui.runs.supervision.afterwards", str(attempt.run.folder))
            trainer = TrainerProcess(attempt.command, output, attempt.locks, attempt.orphan_grace, word)
        finally:
            os.close(output)
    except OSError as error:
        missing = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        progress.set_state("failed", f"The trainer could not be started: {missing}.")
        return None
    progress.status = msgspec.structs.replace(progress.status, trainer=identify(trainer.pid))
    progress.save(at_once=True)
    return trainer


def _watch(
    attempt: Attempt,
    progress: Progress,
    trainer: TrainerProcess,
    signals: Signals,
    stop: Stop,
    looks: Sequence[Callable[[], None]],
) -> None:
    """Until the trainer has ended; ``looks`` are taken on each turn."""
    run, warned = attempt.run, False
    while not trainer.has_ended():
        more = progress.read_output()
        requests = {"stop", "kill"}.intersection(take_requests(run))
        asked = bool(requests or signals.take_terms())
        if asked and stop.ask(at_once="kill" in requests):
            progress.stop_asked = True
            progress.set_state("stopping", _STOPPING[attempt.saves_on_stop])
            trainer.ask_to_end()
        if not stop.asked and _is_deleted(attempt):
            stop.ask()  # nobody can see it any more, nor stop it
            trainer.ask_to_end()
        if stop.is_due():
            stop.ran_out = True
            trainer.signal_group(signal.SIGKILL)
        if not warned and file_size(run.output) > LOG_WARNING:
            warned = True
            progress.add(_log_is_large())
        for look in looks:
            look()
        progress.look_around()
        progress.save()
        if not more:
            signals.wait(PACE)
    if signals.take_terms() and stop.ask():  # a container's stop reaches all at once: it may end first
        progress.stop_asked = True
        progress.set_state("stopping", _STOPPING[attempt.saves_on_stop])


def _is_deleted(attempt: Attempt) -> bool:
    """Whether somebody deleted the run's folder; a volume that is not there for a while is not that."""
    lost_lock = any(os.fstat(held).st_nlink == 0 for held in attempt.locks[:1])
    return lost_lock and not attempt.run.folder.exists()


def _look(watch: Watch, progress: Progress) -> None:
    """Rules on numbers. A fault in one costs its hints, never the run."""
    try:
        for hint in watch.look(progress.pulse):
            progress.add(hint)
    except Exception:
        traceback.print_exc()


def _log_is_large() -> Hint:
    return Hint("log_large", "warning", "output.log is larger than 1 GiB")


def main(arguments: list[str] | None = None) -> int:
    """Supervise the run in a folder. 0 once the run has a verdict, 1 when it could not be begun."""
    parser = argparse.ArgumentParser(prog="python -m loratui.runs.supervisor")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--ready-fd", type=int)
    parser.add_argument("--grace", type=float, default=GRACE)
    parser.add_argument("--orphan-grace", type=float, default=ORPHAN_GRACE)
    parser.add_argument("--patience", type=float, default=hint_rules.SHORTEST_SILENCE)
    options = parser.parse_args(arguments)
    folder: Path = options.folder.absolute()
    run = Run(folder.name, folder)
    about = read_run_file(run)
    if about is None:
        print(f"{folder} is not a run's folder: it has no readable run.json.", file=sys.stderr)
        return 1
    try:
        held = lock.hold(run.lock)
        command = read_command(run)
        processes = gpu_locks.processes_of(command.argv)
        indices = gpu_locks.indices(os.environ, processes)
        gpus = gpu_locks.hold(indices)
    except lock.LockHeldError:
        print(f"{run.id} already has a supervisor. See it with: loratui attach {run.id}", file=sys.stderr)
        return 1
    except UserError as error:
        print(error, file=sys.stderr)
        return 1

    def ready() -> None:
        if options.ready_fd is not None:
            with contextlib.suppress(OSError):
                os.write(options.ready_fd, b"ready\n")
                os.close(options.ready_fd)

    attempt = Attempt(
        run,
        command,
        inspect_file,
        (held, *gpus),
        readers.saves_on_stop(about.engine),
        options.grace,
        options.orphan_grace,
        options.patience,
        readers.watcher(about.engine, folder),
        indices if gpu_locks.are_counted(os.environ) else None,
    )
    try:
        supervise(attempt, readers.reader(about.engine, folder), ready)
    except OSError as error:
        print(f"{error.filename or folder}: it cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
