"""What lines of a log tell of a failure without an exception's class: a message alone, or its words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

from loratui.events import Hint
from loratui.runs.hints import look_words
from loratui.runs.hints import matcher as hints
from loratui.runs.hints.lines import Lines
from loratui.runs.hints.pattern_analysis import required
from loratui.runs.hints.patterns import compiled
from loratui.runs.hints.relaid import EXCEPTION
from loratui.runs.hints.text_index import TextIndex

_CLASS = re.compile(rf"{EXCEPTION}: (?=\S)")
_FRAME = re.compile(r'\s*File "|\s{4,}\S')
_CONTINUED = " " * 18
# Lines that begin with so many equal letters are told of one thing after another, by a program that goes on
_ALIKE = 16
_FEW_LINES = 4
_GOES_ON = re.compile(r"\d%\||\bit/s\b|^Running on |\.\.\.$")
_TOLD_AT_MOST = 60
_CLAUSES_AT_MOST = 8
# Where a message may begin within a line
_CLAUSE = re.compile(
    r"""(?:[:;.!?)\]>|,=]|-{1,2}|\u2014|\b(?:with|that|saying|says|because|due to|error|by))\s+"""
    r"""["'`(]{0,2}(?=[\w\[])|\s["`](?=\w)|[^\x00-\x7f]\W{0,2}(?=[A-Za-z\[])"""
)
_USUAL = (
    "", "RuntimeError: ", "ValueError: ", "OSError: ", "ImportError: ", "ModuleNotFoundError: ",
    "TypeError: ", "AttributeError: ", "FileNotFoundError: ", "AssertionError: ", "UnboundLocalError: ",
    "NameError: ", "Exception: ",
)  # fmt: skip
_ANY_WORDS = "words that nobody has printed"


def lines_of(text: str) -> list[str]:
    """The whole messages of a text, without what a launcher repeats; lines that tell of no failure stay as
    they were."""
    reader = Lines()
    found: list[str] = []
    is_quiet = False
    for line in text.split("\n"):
        readings = list(reader.readings(line))
        is_quiet = look_words.is_no_failure(line) or (is_quiet and line.startswith(_CONTINUED))
        for reading in [line] if is_quiet else readings:
            if _FRAME.match(reading) and not is_quiet:
                continue
            bare = reading.strip()
            if found and bare.startswith(found[-1]):
                found.pop()
            if bare and not (found and found[-1].endswith(bare)):
                found.append(bare)
    return found


def told(lines: list[str], *, failed: bool) -> list[str]:
    """What may be the message of an exception whose class was not told, the first ones of a text. One that
    does not end in a failure must be short, or the message unmistakable."""
    is_alone = len(lines) <= _FEW_LINES and not any(map(look_words.is_no_failure, lines))
    ends = set(ending(lines))
    found = []
    for line in telling(lines):
        if _CLASS.match(line):
            continue
        clauses = list(_clauses(line))
        found += [clause for clause in clauses if look_words.is_message(clause)]
        if not failed and not (is_alone and line in ends):
            continue
        if message := look_words.by_a_program(line):
            found += [message.strip("` "), message.strip("`'\". ")]
        found += [clause for clause in clauses if look_words.is_half_known(clause)]
        if line[0] not in "[<{0123456789" and look_words.says_no(line):
            found += clauses if is_alone else clauses[:1]
    return found[:_TOLD_AT_MOST]


def telling(lines: list[str]) -> Iterator[str]:
    """The lines that may tell of a failure in words."""
    for line in lines:
        if line and not (look_words.is_own(line) or look_words.is_no_failure(line)):
            yield line


def ending(lines: list[str]) -> list[str]:
    """The last lines, as far back as nothing shows that the program went on behind them."""
    last: list[str] = []
    for line in reversed(lines[-_FEW_LINES:]):
        if look_words.is_no_failure(line) or _GOES_ON.search(line):
            break
        last.append(line)
    begins_alike = len({line[:_ALIKE] for line in last}) < len(last)
    return [] if begins_alike else last


def _clauses(line: str) -> Iterator[str]:
    yield line.strip("\"'`-* ")
    for number, found in enumerate(_CLAUSE.finditer(line)):
        if number == _CLAUSES_AT_MOST:
            return
        yield line[found.end() :].rstrip("'\"` ")


class _Message(NamedTuple):
    """A pattern of a fatal row that knows a message by more than its class."""

    row: hints.HintRule
    pattern: re.Pattern[str]


@cache
def _messages() -> tuple[tuple[_Message, ...], TextIndex]:
    """All of them in order of precedence, and which of them may match a line."""
    parts = [
        (row, part)
        for row in hints.rules()
        if row.severity == "fatal"
        for part in (*row.patterns, *row.signs, *row.suspects)
        if not any(compiled((part,)).search(name + _ANY_WORDS) for name in _USUAL)
    ]
    known = tuple(_Message(row, compiled((part,))) for row, part in parts)
    return known, TextIndex([tuple(required(part)) for _, part in parts])


def in_words(message: str) -> Hint | None:
    """The fatal hint for an exception's message whose class was not told: that of the first row that knows it
    behind any usual class, and not merely by the class."""
    known, index = _messages()
    first = len(known)
    for line in (name + message for name in _USUAL):
        numbers = (number for number in index.find(line) if number < first)
        first = next((number for number in numbers if known[number].pattern.search(line)), first)
    return Hint(known[first].row.key, "fatal", hints.kept(message)) if first < len(known) else None


class _WordSet(NamedTuple):
    row: hints.HintRule
    groups: tuple[tuple[str, ...], ...]
    """Of each group one must stand in the line."""
    exact: tuple[re.Pattern[str], ...]


@cache
def _word_sets() -> tuple[_WordSet, ...]:
    sets = []
    for row in hints.rules():
        for line in row.words:
            groups = tuple(tuple(group.strip().split("|")) for group in line.split(" & "))
            exact = tuple(
                re.compile(
                    "|".join(
                        rf"(?<!\w){re.escape(word).replace(chr(92) + '*', chr(92) + 'w*')}(?!\w)"
                        for word in group
                    ),
                    re.IGNORECASE,
                )
                for group in groups
            )
            plain = tuple(tuple(word.strip("*").lower() for word in group) for group in groups)
            sets.append(_WordSet(row, plain, exact))
    return tuple(sets)


def by_words(lines: list[str]) -> Hint | None:
    """The fatal hint of the first line that holds all the words of a set; of several sets the one whose words
    are the longest together."""
    for line in lines:
        low = line.lower()
        best, longest = None, 0
        for row, groups, exact in _word_sets():
            if not all(any(word in low for word in group) for group in groups):
                continue
            found = [pattern.search(line) for pattern in exact]
            length = sum(len(match[0]) for match in found if match)
            if all(found) and length > longest:
                best, longest = row, length
        if best:
            return Hint(best.key, best.severity, hints.kept(line))
    return None
