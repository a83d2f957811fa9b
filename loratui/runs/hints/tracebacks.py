"""The frames of the traceback that is being printed, as Python prints them and as rich draws them."""

from __future__ import annotations

import re
from collections import deque
from typing import NamedTuple

_KEPT = 60
"""Innermost frames kept: enough for the trainer's own, which lie outside of torch's."""
_LONGEST = 300

_FRAME = re.compile(
    r'^\s*(?:File "([^"]+)", line \d+, in ?(\S*)|\W*(\S+\.py):\d+ in ?(\S*)'
    r"|(?:File )?(\S+\.py)(?::\d+)?,? in (\w+)\()"  # IPython's
)
# A launcher that waits for its child: what happened is not told there
_BESIDE = re.compile(
    r"/(?:subprocess|threading|selectors|signal)\.py\||accelerate_cli\.py\||/accelerate/commands/"
)
# A package that nobody needs is looked for
_LOOKED_FOR = re.compile(r"\|_is_triton_available\|")
# What is left of the exception where a log was cut in its name
_HALF_A_NAME = re.compile(r"(?!KeyboardInterrupt|Killed|Aborted|Terminated|Hangup)[A-Z][A-Za-z.]{1,30}$")
_CALLED = re.compile(r"(\w+)\(")
_HEAD = re.compile(r"Traceback \(most recent call last\)")
# Where a program, a thread, a loader's worker or a web page's request begins: nobody caught an exception that
# is seen from there
_OUTERMOST = re.compile(
    r"(?:<module>|_run_module_as_main|_run_code|_worker_loop|_bootstrap(?:_inner)?|spawn_main)\|"
    r"|/(?:gradio|uvicorn|starlette|fastapi)/|(?:^|/)\w*train\w*\.py\|(?:main|train)\|"
    r"|/(?:ai-toolkit|toolkit|extensions_built_in|musubi_tuner|dreambooth|sd[-_]scripts/(?:library|networks))/"
)


_HARMLESS = re.compile(
    r"\w+: Caught \w+ in |ModuleNotFoundError: No module named(?:$| '(?:triton|msvcrt|flash_attn)\b)"
)


class Raised(NamedTuple):
    """An exception that ended a traceback."""

    error: str
    """Its class, without the module."""
    line: str
    frames: tuple[str, ...]
    """``path|function|statement``, with forward slashes, the innermost last. One empty frame where the log
    holds nothing but the exception."""

    @property
    def is_harmless(self) -> bool:
        """It is another process's, whose own traceback follows, or a package is missing that nobody needs."""
        return _HARMLESS.match(self.line) is not None


def place_of(frame: str) -> str:
    """A frame for a person: ``file, function``; empty for none."""
    path, _, rest = frame.partition("|")
    return f"{path.rpartition('/')[2]}, {rest.partition('|')[0]}" if rest else ""


def _told(frame: str) -> str:
    statement = frame.split("|", 2)[-1]
    return f"{place_of(frame)}: {statement}" if statement else place_of(frame)


class Frames:
    """Follows a log line by line. Bounded memory."""

    def __init__(self) -> None:
        self._frames: deque[str] = deque(maxlen=_KEPT)
        self._first = ""
        self._has_head = False
        self.is_inside = False
        """The last line was one of a traceback's frames."""
        self._has_half = False

    def note(self, line: str) -> None:
        """Take in a line of the log, indented as it was printed."""
        if "Traceback (" in line and _HEAD.search(line):
            self._forget()
            self._has_head = True
        elif line[:1] != " " and not line.startswith("File "):
            self._has_half = self.is_inside and _HALF_A_NAME.match(line) is not None
            self.is_inside = False
            return
        elif (", line " in line or ".py:" in line) and (frame := _FRAME.match(line)):
            path = frame[1] or frame[3] or frame[5]
            function = frame[2] or frame[4] or frame[6] or "<module>"
            self._frames.append(f"{path}|{function}|".replace("\\", "/")[-_LONGEST:])
            self._first = self._first or self._frames[-1]
            self.is_inside, self._has_half = True, False
        elif self._frames and self._frames[-1].endswith("|") and (statement := line.strip()):
            self._frames[-1] += statement[:_LONGEST]

    def raised(self, line: str) -> Raised | None:
        """What ended here, when ``line`` is the last line of an exception; None where no traceback led to it,
        or where the program caught it itself and printed it."""
        caught = self._has_head and _OUTERMOST.search(self._first) is None
        found = None
        if not caught and not (self._frames and "|__del__|" in self._frames[-1]):
            error = line.partition(":")[0].rpartition(".")[2].strip()
            found = Raised(error, line, tuple(self._frames) or ("",))
        self._forget()
        return found

    def cut_off(self, *, alone: bool = False) -> Raised | None:
        """What the log broke off in, where it ended inside of a traceback. ``alone``: of any, since the log
        holds nothing else; the function that its last statement calls counts as a frame."""
        found = None
        is_whole = alone or (self._has_head and _OUTERMOST.search(self._first) is not None)
        if self._frames and (_BESIDE.search(self._frames[-1]) or _LOOKED_FOR.search(self._first)):
            self.is_inside = self._has_half = False
        if (self.is_inside and is_whole) or (self._has_half and (is_whole or not self._has_head)):
            frames = list(self._frames)
            if alone and (called := _CALLED.findall(frames[-1].split("|", 2)[-1])):
                frames.append(f"{frames[-1].partition('|')[0]}|{called[-1]}|")
            found = Raised("", f"the log breaks off in {_told(self._frames[-1])}", tuple(frames))
        self._forget()
        return found

    def _forget(self) -> None:
        self._frames.clear()
        self._first, self._has_head, self.is_inside, self._has_half = "", False, False, False
