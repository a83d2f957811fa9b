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

from loratui import places, recipe
from loratui.engines import kohya_launch, readers
from loratui.engines.engine import Command, LogReader, Watcher
from loratui.events import Hint
from loratui.problems import Problem, UserError
from loratui.runs import gpu_locks, hint_rules, lock
from loratui.runs.effect import nothing_in
from loratui.runs.files import file_size, open_for_append
from loratui.runs.launch_file import read_command
from loratui.runs.layout import Run, Status, read_run_file, read_status, take_requests
from loratui.runs.meter import Meter
from loratui.runs.process import identify
from loratui.runs.progress import Progress
from loratui.runs.stopping import Signals, Stop
from loratui.runs.trainer_process import ORPHAN_GRACE, TrainerProcess
from loratui.runs.verdict import Facts, decide, ending_signal
from loratui.runs.watching import Watch

PACE = 0.25
"""Seconds between two looks at the log and at requests."""
GRACE = 120.0
"""Seconds a trainer gets after a stop, to finish its step and save."""
LOG_WARNING = 1 << 30

_STOPPING = {
    True: "A stop was asked for: the trainer finishes its step and saves.",
    False: "A stop was asked for: what follows the last checkpoint is not kept.",
}

Inspection = Callable[[Path], list[Problem]]


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
    _send_word(run)
    return progress.status


def _send_word(run: Run) -> None:
    """To whom notify.toml names, if it is there. A fault in it is no fault of the run."""
    if not (places.home() / "notify.toml").is_file():
        return
    try:
        from loratui.runs import notify  # a web client, which a running supervisor need not know

        notify.in_background(run)
    except Exception:
        traceback.print_exc()


def _run(attempt: Attempt, progress: Progress, signals: Signals) -> None:
    stop, meter = Stop(attempt.grace), Meter()
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
    _conclude(attempt, progress, stop, watch.killed_for_memory)
    if progress.status.state in ("finished", "stopped"):
        from loratui.runs import measuring  # it knows the advice, which a running supervisor need not

        measuring.keep(attempt.run, meter)


def _start(attempt: Attempt, progress: Progress) -> TrainerProcess | None:
    try:
        output = open_for_append(attempt.run.output)
        try:
            trainer = TrainerProcess(attempt.command, output, attempt.locks, attempt.orphan_grace)
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
            trainer.signal_group(signal.SIGTERM)
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


def _look(watch: Watch, progress: Progress) -> None:
    """Rules on numbers. A fault in one costs its hints, never the run."""
    try:
        for hint in watch.look(progress.pulse):
            progress.add(hint)
    except Exception:
        traceback.print_exc()


def _log_is_large() -> Hint:
    return Hint("log_large", "warning", "output.log is larger than 1 GiB")


def _conclude(attempt: Attempt, progress: Progress, stop: Stop, out_of_memory: Hint | None) -> None:
    """The verdict, as the last event and status."""
    status = progress.status
    code = status.exit_code or 0
    final = (attempt.command.cwd / status.final_file) if status.final_file else None
    killed = out_of_memory is not None and not stop.asked and code != 0
    if killed or (ending_signal(code) == signal.SIGKILL and not stop.asked):
        progress.add(out_of_memory or Hint("oom_ram", "fatal", "the trainer was killed (SIGKILL)"))
    file_problem = _file_problem(final, attempt.inspect)
    facts = Facts(
        exit_code=-signal.SIGTERM if stop.asked and progress.ended_by_stop else code,
        stop_asked=stop.asked,
        grace_ran_out=stop.ran_out,
        step=status.step,
        total_steps=status.total_steps,
        finite=progress.finite,
        final_file=str(final or ""),
        file_problem=file_problem,
        no_effect=nothing_in(final) if final and not file_problem else "",
        state_saved=progress.state_saved,
        hint=progress.fatal_hint,
        error=progress.last_error,
        written_elsewhere=kohya_launch.writes_elsewhere(attempt.command),
        out_of_memory=killed,
    )
    state, reason = decide(facts)
    if state == "finished" and not facts.written_elsewhere:
        if facts.no_effect:
            progress.add(Hint(hint_rules.NO_EFFECT, "quality", facts.no_effect))
        _hint_on_numbers(progress)
    progress.status = msgspec.structs.replace(progress.status, final_file=facts.final_file)
    progress.set_state(state, reason)


def _file_problem(path: Path | None, inspect: Inspection) -> str:
    if path is None:
        return ""
    if not path.is_file():
        return "it is not there."
    try:
        return " ".join(str(problem) for problem in inspect(path)[:1])
    except (OSError, ValueError, UserError) as error:
        return str(error)


def _hint_on_numbers(progress: Progress) -> None:
    try:
        decided = recipe.loads(progress.run.recipe.read_text(encoding="utf-8"))
    except (OSError, ValueError, UserError):
        return
    hint = hint_rules.without_effect(decided, progress.status.step, progress.rates)
    if hint is not None:
        progress.add(hint)


def _inspect(path: Path) -> list[Problem]:
    from loratui.lora import verify

    return verify.problems(path)


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
        gpus = gpu_locks.hold(gpu_locks.indices(os.environ, processes))
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
        _inspect,
        (held, *gpus),
        readers.saves_on_stop(about.engine),
        options.grace,
        options.orphan_grace,
        options.patience,
        readers.watcher(about.engine, folder),
    )
    try:
        supervise(attempt, readers.reader(about.engine, folder), ready)
    except OSError as error:
        print(f"{error.filename or folder}: it cannot be written: {error.strerror}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
