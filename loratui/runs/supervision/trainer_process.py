"""The trainer as a child of the supervisor: its own session and process group, nothing inherited that could
hold or disturb it, and a guard that ends it should the supervisor be killed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from loratui.engines.engine import Command
from loratui.runs.process import group_members, has_ended

PR_SET_PDEATHSIG = 1
"""prctl(2): the signal this process gets when its parent dies."""

ENVIRONMENT = {
    "PYTHONUNBUFFERED": "1",  # else half of the output comes at exit, or never
    "PYTHONUTF8": "1",
    "PYTHONIOENCODING": "utf-8",
    "COLUMNS": "400",  # else rich wraps log lines at 80 columns, mid-word
}
_OF_LAUNCHERS = frozenset(
    {"RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}
)
"""What a launcher tells the processes that it starts. Left over from another one, or from a job's shell, they
make the trainer wait for ever for processes that nobody starts."""
_RESET = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGCHLD, signal.SIGQUIT, signal.SIGPIPE)

ORPHAN_GRACE = 10.0
"""Seconds an orphaned trainer gets to save and leave before it is killed."""


class TrainerProcess:
    """A running trainer. Its process group has the number of its own PID."""

    def __init__(
        self,
        command: Command,
        output: int,
        locks: tuple[int, ...],
        orphan_grace: float = ORPHAN_GRACE,
        last_words: Sequence[str] = (),
    ) -> None:
        """Start it with both output streams going to the descriptor ``output``. ``locks`` are the run's and
        its GPUs', which the guard shares; ``last_words`` is the command it starts once it has ended an
        orphan. Raises ``OSError`` when the program or its folder is not there."""
        self._process = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env={**_inherited(), **ENVIRONMENT, **command.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            close_fds=True,
            start_new_session=True,
            preexec_fn=_preparation(),  # noqa: PLW1509  (a supervisor has no threads)
        )
        self.pid = self._process.pid
        self._guard, self._leash = _start_guard(self.pid, locks, orphan_grace, last_words)

    def has_ended(self) -> bool:
        """Whether it has ended. It is not reaped yet, so its number cannot be given away."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, flags) is not None

    def signal_group(self, number: signal.Signals) -> None:
        """Send a signal to it and all it started. Safe until ``finish``, which alone reaps."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    def ask_to_end(self) -> None:
        """SIGTERM to all of it, also where somebody holds it still (SIGSTOP)."""
        self.signal_group(signal.SIGTERM)
        self.signal_group(signal.SIGCONT)

    def finish(self) -> int:
        """Kill what is left of its group, reap it, dismiss the guard. Returns the exit code."""
        self.signal_group(signal.SIGKILL)
        code = self._process.wait()
        os.kill(self._guard, signal.SIGKILL)  # also one that is held still; not reaped yet, so it is ours
        os.waitpid(self._guard, 0)
        os.close(self._leash)
        return code


def _inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _OF_LAUNCHERS}


def _preparation() -> Callable[[], None]:
    """What the child does between fork and exec."""
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the supervisor died before the line above
            os._exit(1)
        for number in _RESET:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    return prepare


def _start_guard(
    group: int, locks: tuple[int, ...], grace: float, last_words: Sequence[str]
) -> tuple[int, int]:
    """Fork the guard. Returns its PID and the descriptor that keeps it waiting.

    The death signal reaches only the trainer itself; accelerate's launcher dies of it and leaves
    the real trainer on the GPU. The guard shares the run's locks, so nobody takes the run for dead,
    or its GPU for free, while its trainer still lives.
    """
    waiting, leash = os.pipe()
    pid = os.fork()
    if pid:
        os.close(waiting)
        return pid, leash
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        _close_all_but(frozenset({0, 1, 2, waiting, *locks}))
        os.read(waiting, 1)  # until the supervisor is gone
        _end_group(group, grace)
        if last_words:
            _leave(last_words)
    finally:
        os._exit(0)


def _leave(command: Sequence[str]) -> None:
    """Start a program that outlives the guard, holds none of its locks and can be ended again."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    subprocess.Popen(command, stdin=subprocess.DEVNULL, close_fds=True, start_new_session=True)


def _close_all_but(kept: frozenset[int]) -> None:
    for path in list(Path("/proc/self/fd").iterdir()):
        if int(path.name) not in kept:
            with contextlib.suppress(OSError):
                os.close(int(path.name))


def _end_group(group: int, grace: float) -> None:
    """Let the trainer act on its death signal, pass the signal on once it has gone itself, then kill."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGCONT)  # one that is held still hears nothing
    deadline = time.monotonic() + grace
    passed_on = False
    while group_members(group) and time.monotonic() < deadline:
        if has_ended(group) and not passed_on:
            os.killpg(group, signal.SIGTERM)
            passed_on = True
        select.select((), (), (), 0.1)
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
    deadline = time.monotonic() + 2.0
    while group_members(group) and time.monotonic() < deadline:
        select.select((), (), (), 0.05)
