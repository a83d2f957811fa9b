"""A program in a real pseudo-terminal, read through an emulator: what a person would see."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Sequence

import pexpect
import pyte


class Terminal:
    """``loratui ARGUMENTS`` in a terminal of ``columns`` by ``rows`` cells. ``program`` replaces the
    start of Python's command line."""

    def __init__(
        self,
        *arguments: str,
        columns: int = 80,
        rows: int = 24,
        program: Sequence[str] = ("-m", "loratui"),
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        environment = {**os.environ, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self.child = pexpect.spawn(
            sys.executable, [*program, *arguments], dimensions=(rows, columns), env=environment
        )

    @property
    def text(self) -> str:
        """The screen's rows as text."""
        return "\n".join(row.rstrip() for row in self.screen.display)

    def press(self, keys: str) -> None:
        """Type keys as a person would, a moment apart from the last."""
        self.child.send(keys)

    def read(self, seconds: float = 0.1) -> None:
        """Take in what the program draws within ``seconds``."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self._stream.feed(self.child.read_nonblocking(65536, timeout=0.05))
            except pexpect.TIMEOUT:
                continue
            except pexpect.EOF:
                return

    def wait_for(self, pattern: str, timeout: float = 30) -> re.Match[str]:
        """Read until the screen matches. Fails with the screen's text."""
        found = self.wait_until(lambda text: re.search(pattern, text), timeout, pattern)
        assert isinstance(found, re.Match)
        return found

    def wait_until(self, condition: Callable[[str], object], timeout: float, what: str = "") -> object:
        """Read until ``condition`` of the screen's text is true. Fails with the screen's text."""
        deadline = time.monotonic() + timeout
        while True:
            self.read()
            found = condition(self.text)
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError(
                    f"{what!r} did not appear in {timeout} s; the screen shows:\n{self.text}"
                )

    def kill(self) -> None:
        """The connection is lost: the program dies by SIGKILL and its terminal is closed."""
        self.child.kill(9)
        self.child.close(force=True)

    def wait_closed(self, timeout: float = 10) -> int | None:
        """Wait until the program has ended by itself; its exit code."""
        deadline = time.monotonic() + timeout
        while self.child.isalive() and time.monotonic() < deadline:
            self.read(0.05)
        assert not self.child.isalive(), f"still running; the screen shows:\n{self.text}"
        self.child.close()
        return self.child.exitstatus  # type: ignore[no-any-return]
