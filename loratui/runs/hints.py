"""Known issues, recognised in what a trainer prints. The table is data: presets/hints.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal

import msgspec

from loratui import places
from loratui.events import PREFIX, Hint, Message
from loratui.recipe import Recipe, flatten
from loratui.runs.cleaning import Segments

Severity = Literal["fatal", "warning", "quality", "info"]

_LINE_KEPT = 300
_LOGICAL_LINE = 2_000
_ECHO_LINES = 200

# A logger's head, as rich draws it or bare, and a rank's name in front of it
_HEAD = re.compile(
    r"^(?:\[rank\d+\]:\s?)?(?:\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[^ ]*\s+)?"
    r"\s*(?:INFO|WARNING|ERROR|CRITICAL)(?:\s*:\s*|\s+)|^\[rank\d+\]:\s?"
)
_SOURCE = re.compile(r"\s{2,}\w+\.py:\d+\s*$")
_CONTINUATION = re.compile(r"^ {18,}\S")
# A progress bar ends in no line break, so what is printed next stands behind it
_BAR = re.compile(r"(?:[^|]{0,80}\|[^|]{0,40}\| *\d+/\d+ |\d+it )\[[^\]]{0,200}\](?=.)")
# accelerate repeats a failure together with the whole command line
_ECHO = re.compile(r"CalledProcessError: Command\b")
_ECHO_END = re.compile(r"(?:returned non-zero exit status|died with <Signals\.)")


class HintRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table."""

    key: str
    severity: Severity
    title: str
    cause: str
    fix: str
    patterns: tuple[str, ...] = ()
    """Regular expressions, searched in one unwrapped line without its logger's head."""
    needs: str = ""
    """A regular expression that an earlier line must have matched."""
    within: int = 0
    """How many lines earlier at most; 0 for any number."""
    unless: tuple[str, ...] = ()
    """Keys that explain this one: after any of them it is not given."""
    change: dict[str, Any] = {}
    """Recipe changes by dotted key: a value, or ``{times = factor}``."""


@cache
def rules() -> tuple[HintRule, ...]:
    """The table, in order of precedence. Raises ``OSError`` and ``ValueError`` when it is damaged."""
    text = (places.presets_folder() / "hints.toml").read_text(encoding="utf-8")
    return tuple(msgspec.convert(tomllib.loads(text)["hint"], list[HintRule]))


def rule(key: str) -> HintRule | None:
    """The row of a key."""
    return next((row for row in rules() if row.key == key), None)


def recipe_changes(row: HintRule, recipe: Recipe) -> dict[str, Any]:
    """What a hint would change in this recipe, as final values by dotted key, without what is so already."""
    values, changes = flatten(recipe), {}
    for key, wanted in row.change.items():
        old = values.get(key)
        if isinstance(wanted, dict):
            if not isinstance(old, int | float) or isinstance(old, bool):
                continue
            wanted = old * wanted["times"]
            wanted = max(1, int(wanted)) if isinstance(old, int) else wanted
        if wanted != old:
            changes[key] = wanted
    return changes


def from_message(message: Message) -> Hint | None:
    """The hint that a trainer's own message stands for, where it names one."""
    if not message.key:
        return None
    row = rule(message.key)
    by_level: dict[str, Severity] = {"error": "fatal", "warning": "warning", "info": "info"}
    return Hint(message.key, row.severity if row else by_level[message.level], message.text[:_LINE_KEPT])


class HintMatcher:
    """Finds known issues in a stream of output; each key once. Bounded memory; the same bytes cut at any
    place give the same hints."""

    def __init__(self, table: Iterable[HintRule] | None = None, seen: Iterable[str] = ()) -> None:
        self._rows = [
            (row, re.compile("|".join(row.patterns)), re.compile(row.needs) if row.needs else None)
            for row in (rules() if table is None else table)
            if row.patterns
        ]
        needs = [row.needs for row, _, _ in self._rows if row.needs]
        parts = [*(pattern for row, _, _ in self._rows for pattern in row.patterns), *needs]
        self._any = re.compile("|".join(f"(?:{part})" for part in parts) or r"(?!)")
        self._needed_at: dict[str, int] = {}
        self._seen = set(seen)
        self._segments = Segments()
        self._logical = ""
        self._is_logger_line = False
        self._echo_left = 0
        self._number = 0

    def feed(self, data: bytes) -> Iterator[Hint]:
        """The hints completed by these bytes."""
        for segment in self._segments.feed(data):
            text = segment.text.partition(PREFIX + "{")[0]
            while bar := _BAR.match(text):
                yield from self._line(bar[0])
                text = text[bar.end() :]
            yield from self._line(text)

    def _line(self, text: str) -> Iterator[Hint]:
        if not text or text.isspace():
            return
        self._number += 1
        if self._in_echo(text):
            text = text[match.start() :] if (match := _ECHO_END.search(text)) else ""
            if not text:
                return
        line = self._unwrapped(text)
        if self._any.search(line):
            yield from self._match(line)

    def _in_echo(self, text: str) -> bool:
        if _ECHO.search(text):
            self._echo_left = _ECHO_LINES
        if not self._echo_left:
            return False
        self._echo_left = 0 if _ECHO_END.search(text) else self._echo_left - 1
        return True

    def _unwrapped(self, text: str) -> str:
        """The logical line this piece belongs to, as far as it is known."""
        bare = _SOURCE.sub("", text)
        if self._is_logger_line and _CONTINUATION.match(text) and not _HEAD.match(bare):
            self._logical = f"{self._logical} {bare.strip()}"[:_LOGICAL_LINE]
            return self._logical
        head = _HEAD.match(bare)
        self._is_logger_line = head is not None
        self._logical = (bare[head.end() :] if head else bare)[:_LOGICAL_LINE].rstrip()
        return self._logical

    def _match(self, line: str) -> Iterator[Hint]:
        for row, _, needs in self._rows:
            if needs and needs.search(line):
                self._needed_at[row.key] = self._number
        for row, pattern, needs in self._rows:
            if not pattern.search(line) or (needs and not self._was_needed(row)):
                continue
            if row.key not in self._seen and self._seen.isdisjoint(row.unless):
                self._seen.add(row.key)
                yield Hint(row.key, row.severity, line[:_LINE_KEPT])
            return

    def _was_needed(self, row: HintRule) -> bool:
        at = self._needed_at.get(row.key)
        return at is not None and (not row.within or self._number - at <= row.within)
