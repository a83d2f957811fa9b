"""A lost terminal ends the screens, whatever the shell has done to SIGHUP."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def started(program: str, home: Path) -> tuple[int, int]:
    """A Python program on a pseudo-terminal of its own, with SIGHUP ignored as under nohup."""
    process, terminal = pty.fork()
    if process == 0:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        os.environ |= {"LORATUI_HOME": str(home), "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        os.execv(sys.executable, [sys.executable, "-c", program])
    return process, terminal


def read_until(terminal: int, words: bytes, seconds: float = 20) -> bytes:
    seen, deadline = b"", time.monotonic() + seconds
    while words not in seen and time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            seen += os.read(terminal, 65536)
    return seen


def ended(process: int, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if os.waitpid(process, os.WNOHANG)[0]:
            return True
        time.sleep(0.05)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return False


@pytest.mark.parametrize(
    "reset",
    [
        pytest.param("", id="by the signal"),
        # the signal stays ignored: only the end of standard input tells
        pytest.param("signal.signal = lambda *_: None", id="by the end of input"),
    ],
)
def test_the_screens_end_with_their_terminal(home: Path, reset: str) -> None:
    program = f"import signal\n{reset}\nfrom loratui.tui.app import run_app\nrun_app()"
    process, terminal = started(program, home)
    assert b"Which model" in read_until(terminal, b"Which model")
    os.close(terminal)
    assert ended(process, 6)


def test_without_a_terminal_there_is_a_sentence(home: Path) -> None:
    program = "import sys; from loratui.tui.app import run_app; sys.exit(run_app())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 2
    assert "need a terminal" in done.stderr
    assert "loratui train FILE" in done.stderr
