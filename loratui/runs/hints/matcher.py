"""Known issues, recognised in what a trainer prints. The table is data: presets/hints."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain
from typing import Any, Literal, NamedTuple

import msgspec

from loratui import places
from loratui.events import PREFIX, Hint, Message
from loratui.recipe import Recipe, flatten
from loratui.runs.cleaning import Segments
from loratui.runs.hints.lines import Lines, apart
from loratui.runs.hints.pattern_analysis import required
from loratui.runs.hints.patterns import Finder, one
from loratui.runs.hints.text_index import index_of
from loratui.runs.hints.tracebacks import Raised, place_of

Severity = Literal["fatal", "warning", "quality", "info"]

_LINE_KEPT = 300


class After(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Patterns that count only soon after another line: the same exception means different things in
    different places."""

    line: str
    """A regular expression that an earlier line, or the same one, must have matched. Without ``^`` it is
    looked for in indented lines alone: those of a traceback."""
    patterns: tuple[str, ...]
    within: int = 0
    """How many lines earlier at most; 0 for any number."""


class Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where an exception tells what it is about when its message does not."""

    frame: str
    """A regular expression, searched in a frame of the traceback: ``path|function|statement``."""
    errors: str = ""
    """One that the exception's class must match, without its module; empty for any."""
    message: str = ""
    """One that is searched in the exception's last line; empty for any."""
    last: bool = False
    """Only for a traceback none of whose frames fits any other place."""
    alone: bool = False
    """Only where the text tells nothing else; ``^$`` is the frame of an exception without a traceback."""


class HintRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row of the table."""

    key: str
    severity: Severity
    title: str
    cause: str
    fix: str
    patterns: tuple[str, ...] = ()
    """Regular expressions, searched in one unwrapped line without its logger's head."""
    after: tuple[After, ...] = ()
    raised: tuple[Place, ...] = ()
    """For an exception that no pattern knows: the row of the innermost frame that any row knows is given."""
    signs: tuple[str, ...] = ()
    """Patterns of what is no failure by itself, yet tells why, where a log tells nothing else."""
    suspects: tuple[str, ...] = ()
    """Patterns of what many healthy logs hold too: they count where a log ends in a failure, and tells
    nothing else."""
    words: tuple[str, ...] = ()
    """Words that tell in any order, all in one line, where a log ends in a failure and nothing else is known:
    ``&`` between what must stand there together, ``|`` between words of one meaning, ``*`` for any ending."""
    phases: tuple[str, ...] = ()
    """Patterns of the lines with which the step of a training begins that this general row is about."""
    unless: tuple[str, ...] = ()
    """Keys that explain this one: after any of them it is not given."""
    change: dict[str, Any] = {}
    """Recipe changes by dotted key: a value, or ``{times = factor}``."""
    install: tuple[str, ...] = ()
    """What ``pip install`` would mend it with, where a package is the trouble. ``{install}`` in ``fix``
    stands for that command."""

    @property
    def is_general(self) -> bool:
        """It knows where something failed, not what: any other fatal one says more."""
        return bool(self.raised) and not (self.patterns or self.after)


@cache
def rules() -> tuple[HintRule, ...]:
    """The table, in order of precedence. Raises ``OSError`` and ``ValueError`` when it is damaged."""
    folder = places.presets_folder() / "hints"
    files = sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    rows = chain.from_iterable(tomllib.loads(file.read_text(encoding="utf-8"))["hint"] for file in files)
    return tuple(map(_worded, msgspec.convert(list(rows), list[HintRule])))


def _worded(row: HintRule) -> HintRule:
    """With ``{install}`` in its fix replaced by the command, for whom no trainer's Python is known."""
    command = f"pip install {shlex.join(row.install)}"
    return msgspec.structs.replace(row, fix=row.fix.replace("{install}", command)) if row.install else row


def rule(key: str) -> HintRule | None:
    """The row of a key."""
    return next((row for row in rules() if row.key == key), None)


_FIRST_STEP = re.compile(r"^step [01]:|from the first step on|\| *[01]/\d+ \[[^\[]*\]\s*$")


def rule_for(hint: Hint) -> HintRule | None:
    """The row whose words fit a hint: its own, but for a loss that is NaN from the first step on. No weight
    has changed by then, so the rate is not to blame (``hint_rules.nan_words``)."""
    if hint.key == "loss_nan" and _FIRST_STEP.search(hint.line):
        return rule("nan_latents")
    return rule(hint.key)


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
        elif isinstance(old, tuple):
            wanted = tuple(wanted)
        if wanted != old:
            changes[key] = wanted
    return changes


def is_cause(hint: Hint) -> bool:
    """It tells what failed, not merely where."""
    row = rule(hint.key)
    return hint.severity == "fatal" and not (row is not None and row.is_general)


def from_message(message: Message) -> Hint | None:
    """The hint that a trainer's own message stands for, where it names one."""
    if not message.key:
        return None
    row = rule(message.key)
    by_level: dict[str, Severity] = {"error": "fatal", "warning": "warning", "info": "info"}
    return Hint(message.key, row.severity if row else by_level[message.level], kept(message.text))


def kept(line: str) -> str:
    """A line as a hint shows it."""
    return line if len(line) <= _LINE_KEPT else f"{line[: _LINE_KEPT - 1]}…"


class _Row(NamedTuple):
    rule: HintRule
    find: Finder
    texts: tuple[str, ...]
    """One of these stands in every line that matches; none where that is not sure."""
    earlier: int
    """Which of the matcher's earlier lines it wants; -1 for none."""
    within: int


@cache
def _found_by(patterns: tuple[str, ...]) -> tuple[tuple[Finder, tuple[str, ...]], ...]:
    """How to look for these patterns, and the texts of which one must be there: apart for those that are
    sure of any."""
    sure = tuple(part for part in patterns if required(part))
    others = tuple(part for part in patterns if not required(part))
    texts = tuple(sorted(frozenset().union(*map(required, sure))))
    return tuple((Finder(parts), needed) for parts, needed in ((sure, texts), (others, ())) if parts)


def _rows_of(rule: HintRule, patterns: tuple[str, ...], earlier: int, within: int) -> Iterator[_Row]:
    for find, texts in _found_by(patterns):
        yield _Row(rule, find, texts, earlier, within)


class _Where(NamedTuple):
    rule: HintRule
    place: Place

    def fits(self, frame: str, raised: Raised) -> bool:
        place = self.place
        return bool(
            one(place.frame).search(frame)
            and one(place.errors).match(raised.error)
            and one(place.message).search(raised.line)
        )


class HintMatcher:
    """Finds known issues in a stream of output; each key once. Bounded memory; the same bytes cut at any
    place give the same hints."""

    def __init__(
        self,
        table: Iterable[HintRule] | None = None,
        seen: Iterable[str] = (),
        *,
        alone: bool = False,
        failed: bool = False,
    ) -> None:
        """``alone``: nothing else is known of this text: signs count too, and an exception without a
        traceback. ``failed``: it ends in a failure: suspects count."""
        self._rows: list[_Row] = []
        earlier: list[str] = []
        self._places: list[_Where] = []
        for row in rules() if table is None else table:
            for place in row.raised if alone else (place for place in row.raised if not place.alone):
                self._places.append(_Where(row, place))
            for after in row.after:
                self._rows += _rows_of(row, after.patterns, len(earlier), after.within)
                earlier.append(after.line)
            if row.patterns:
                self._rows += _rows_of(row, row.patterns, -1, 0)
            weak = (*(row.signs if alone else ()), *(row.suspects if failed else ()))
            if weak:
                self._rows += _rows_of(row, weak, -1, 0)
        self._earlier = [Finder((pattern,)) for pattern in earlier]
        texts = (*(tuple(sorted(required(part))) for part in earlier), *(row.texts for row in self._rows))
        self._index = index_of(texts)
        self._of_frames = frozenset(number for number, part in enumerate(earlier) if not part.startswith("^"))
        self._met_at: dict[int, int] = {}
        self._seen = set(seen)
        self._segments = Segments()
        self._lines = Lines(alone=alone)
        self._alone = alone

    def feed(self, data: bytes) -> Iterator[Hint]:
        """The hints completed by these bytes."""
        for segment in self._segments.feed(data):
            for text in apart(segment.text.partition(PREFIX + "{")[0]):
                yield from self._line(text)

    def close(self) -> Iterator[Hint]:
        """The hints that waited for more: the log is over."""
        yield from self.feed(b"\n")
        self._lines.close()
        yield from self._by_place()

    @property
    def has_failed(self) -> bool:
        """An exception was met that nobody caught, known or not."""
        return self._lines.has_failed

    def forget(self, keys: Iterable[str]) -> None:
        """Give these again when they are met again: a new attempt begins."""
        self._seen.difference_update(keys)

    def _line(self, text: str) -> Iterator[Hint]:
        for line in self._lines.readings(text):
            if self._lines.unknown is not None:
                yield from self._by_place()
            if numbers := self._index.find(line):
                yield from self._match(line, numbers)

    def _match(self, line: str, numbers: list[int]) -> Iterator[Hint]:
        """``numbers``: of the earlier lines, and behind them of the rows, that may match."""
        count, always = len(self._earlier), self._index.always
        in_frame = line[:1] == " " or any(number >= count and number not in always for number in numbers)
        for number in numbers:
            if number < count:
                if (in_frame or number not in self._of_frames) and self._earlier[number](line):
                    self._met_at[number] = self._lines.number
                continue
            row = self._rows[number - count]
            if row.find(line) and self._was_met(row):
                self._lines.is_known()
                yield from self._give(row.rule, line)
                return

    def _give(self, rule: HintRule, line: str) -> Iterator[Hint]:
        if rule.key not in self._seen and self._seen.isdisjoint(rule.unless):
            self._seen.add(rule.key)
            yield Hint(rule.key, rule.severity, kept(line))

    def _by_place(self) -> Iterator[Hint]:
        """The row of the innermost frame that any row knows."""
        raised, self._lines.unknown = self._lines.unknown, None
        if raised is None or raised.is_harmless:
            return
        for last in (False, True) if raised.error or self._alone else (False,):
            for frame in reversed(raised.frames):
                for known in self._places:
                    if known.place.last == last and known.fits(frame, raised):
                        where = place_of(frame) if raised.error else ""
                        yield from self._give(
                            known.rule, f"{raised.line} (in {where})" if where else raised.line
                        )
                        return

    def _was_met(self, row: _Row) -> bool:
        if row.earlier < 0:
            return True
        at = self._met_at.get(row.earlier)
        return at is not None and (not row.within or self._lines.number - at <= row.within)
