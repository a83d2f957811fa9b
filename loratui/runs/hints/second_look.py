"""The end of a log in which no cause stood as a trainer prints it, laid out anew and looked at once more."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from functools import cache

from loratui.events import Hint
from loratui.runs.cleaning import clean
from loratui.runs.hints import look_words
from loratui.runs.hints import matcher as hints
from loratui.runs.hints.patterns import compiled
from loratui.runs.hints.relaid import EXCEPTION, laid_out
from loratui.runs.hints.told import by_words, ending, in_words, lines_of, telling, told

_KEPT = 1 << 18
"""Bytes of a log's end that are looked at."""

_LAST_LINES = 60
"""So many last lines may tell of a failure in words."""

_LAST_FRAMES = 5
"""Frames of a traceback stand so near to its end where it is cut off."""

_FRAME = re.compile(r'\s*File "[^"]+", line \d+, in ')
_RAISED = re.compile(rf"{EXCEPTION}(?:: |:?$)")
# What a launcher prints when its child has failed
_OF_A_LAUNCHER = re.compile(r"(?:[\w.]+\.)?(?:CalledProcessError|ChildFailedError|SystemExit)\b")


class LogEnd:
    """The end of a log, kept for a second look. Bounded memory."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._bytes = 0

    def keep(self, piece: bytes) -> None:
        """What came next."""
        self._pieces.append(piece)
        self._bytes += len(piece)
        while self._bytes > _KEPT:
            self._bytes -= len(self._pieces.popleft())

    def hints(self, found: list[Hint], *, failed: bool, told_so: bool) -> list[Hint]:
        """Fatal hints in the text laid out anew, where none ``found`` at the first look tells the cause.
        ``failed``: it may have ended in a failure; ``told_so``: a launcher or the trainer said it did."""
        text = laid_out("\n".join(map(clean, b"".join(self._pieces).splitlines())))
        matcher = hints.HintMatcher(alone=True, failed=failed)
        met = [hint for hint in (*matcher.feed(text.encode()), *matcher.close()) if hint.severity == "fatal"]
        known = any(hint.severity == "fatal" for hint in found)
        if causes := [hint for hint in met if hints.is_cause(hint)]:
            return causes if known else met
        failed = told_so or matcher.has_failed or _ends_in_frames(text)
        if failed or not found:
            keys = {hint.key for hint in found}
            told_of = _told_of(text, failed=failed, has_place=known or bool(met))
            if first := next((hint for hint in told_of if hint.key not in keys), None):
                return [first]
        if known:
            return []
        return met or (list(_by_phase(text)) if failed else [])


def _ends_in_frames(text: str) -> bool:
    """It is the end of a traceback, perhaps with a message behind it."""
    last = [line for line in text.rstrip().split("\n") if line.strip()][-_LAST_FRAMES:]
    return any(_FRAME.match(line) for line in last) and not any(map(look_words.is_no_failure, last))


def _told_of(text: str, *, failed: bool, has_place: bool) -> Iterator[Hint]:
    """Causes that are told of without an exception, or by an exception's words."""
    lines = lines_of(text)
    for message in told(lines, failed=failed):
        if hint := in_words(message):
            yield hint
    last = [
        line
        for line in telling(list(reversed(lines[-_LAST_LINES:])) if failed else ending(lines))
        if look_words.says_no(line) and (failed or look_words.fails(line))
    ]
    raised = [line for line in last if _RAISED.match(line)]
    if hint := by_words(raised if raised and has_place else [*raised, *last]):
        yield hint


@cache
def _phases() -> tuple[tuple[hints.HintRule, re.Pattern[str]], ...]:
    return tuple((row, compiled(row.phases)) for row in hints.rules() if row.phases)


def _by_phase(text: str) -> Iterator[Hint]:
    """The general row of the step that had begun when the log ends in a failure."""
    now: hints.HintRule | None = None
    raised = ""
    for line in text.split("\n"):
        bare = line.strip()
        now = next((row for row, pattern in _phases() if pattern.search(bare)), now)
        if _RAISED.match(bare) and not _OF_A_LAUNCHER.match(bare):
            raised = bare
    if now and raised:
        yield Hint(now.key, now.severity, hints.kept(raised))
