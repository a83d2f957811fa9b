"""Known issues, recognised in what a trainer prints. The table is data: presets/hints.toml."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec

from loratui import places
from loratui.events import PREFIX, Hint, Message
from loratui.recipe import Recipe, flatten
from loratui.runs.cleaning import Segments
from loratui.runs.hint_patterns import compiled, frame_filter, one, prefilter
from loratui.runs.tracebacks import Frames, Raised

Severity = Literal["fatal", "warning", "quality", "info"]

_LINE_KEPT = 300
_LOGICAL_LINE = 2_000
_ECHO_LINES = 200

# What stands before a line: a container log's time, fluxgym's time and level, compose's service, a rank, the
# name a front end gives its trainer
_PREFIX = re.compile(
    r"^(?:\d{4}-\d\d-\d\dT[\d:.,+]+Z? |\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] \[[A-Z]+\] ?"
    r"|[a-z][\w.-]{0,40} +\| |\[(?:rank|default)\d+\]:\s?"
    r"|\[[a-z][\w-]{1,24}\] (?!\d)|(?:[A-Z]\w{1,20} ){1,4}STD(?:ERR|OUT): )+"
)
# A frame of a traceback that was posted without its indentation
_BARE_FRAME = re.compile(r'^File "[^"]+", line \d+, in ')
# A logger's head, as rich draws it or bare
_HEAD = re.compile(
    r"^(?:\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[^ ]*\s+|\d\d:\d\d:\d\d-\d{6}\s+)?"
    r"\s*(?:INFO|WARNING|ERROR|CRITICAL)(?::[\w.]+:|\s*:\s*|\s+)"
)
_SOURCE = re.compile(r"\s{2,}\w+\.py:\d+\s*$")
_CONTINUATION = re.compile(r"^ {18,}\S")
# A progress bar ends in no line break, so what is printed next stands behind it
_BAR_ALONE = re.compile(r"(?:[^|]{0,80}\|[^|]{0,400}\| *\d+/\d+ |\d+it )\[[^\]]{0,200}\]")
_BAR = re.compile(f"{_BAR_ALONE.pattern}(?=.)")
# accelerate repeats a failure together with the whole command line
_ECHO = re.compile(r"CalledProcessError: Command\b")
_ECHO_END = re.compile(r"(?:returned non-zero exit status|died with <Signals\.)")


# An exception's last line; what follows it may belong to its message, which a terminal may have wrapped
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*\w*(?:[Ee]rror|Exception|Invalid|Died)\b(?:: |:?$)")
_AFTER_MESSAGE = re.compile(r"Traceback |  File |During handling|The above exception|\S+:\d+: \w*Warning")
_MESSAGE_LINES = 12
# A line as long as a terminal is wide was cut there; what follows is its rest
_TERMINAL_WIDTHS = frozenset({80, 100, 120, 132, 160, 200})
# An exception beside the training: tensorboard's reloader, a connection that a browser closed
_ASIDE = re.compile(
    r"Exception (?:in (?:thread Reloader|callback )|ignored in)|Task exception was never retrieved|Error in sitecustomize"
)
_OF_ASIDE = re.compile(r"Traceback \(|[ │╭╰]|(?:handle|future|task): ")
# An exception of another process, whose own traceback follows
_RETOLD = re.compile(r"\w+: Caught \w+ in ")
# The statement that raised, as a traceback shows it: all there is of a message when the log was cut
_RAISE = re.compile(r"^\s{4,}raise (?:\w+\.)*(\w+)\(f?[\"'](.*)$")
_ASSERT = re.compile(r"^\s{4,}assert .+, f?[\"](.*)$")
# What front ends print of an exception: its message, without its class
_TOLD = re.compile(
    r"^(?:!!! Exception during processing !!! |An error occurred\b[^:]{0,60}: "
    r"|(?:Training|Train) failed[^:]{0,30}: |Train Tools: [\w.]+ error )(.+)"
)
# rich's tracebacks stand in a box, with line numbers and a mark before the statement
_BOX = re.compile(r"^[│┃](?:[ ❱]*\d+ [│┃])?[ │┃]*(.*?)[ │┃]*$")


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
    text = (places.presets_folder() / "hints.toml").read_text(encoding="utf-8")
    return tuple(map(_worded, msgspec.convert(tomllib.loads(text)["hint"], list[HintRule])))


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


def from_message(message: Message) -> Hint | None:
    """The hint that a trainer's own message stands for, where it names one."""
    if not message.key:
        return None
    row = rule(message.key)
    by_level: dict[str, Severity] = {"error": "fatal", "warning": "warning", "info": "info"}
    return Hint(message.key, row.severity if row else by_level[message.level], _kept(message.text))


def _kept(line: str) -> str:
    return line if len(line) <= _LINE_KEPT else f"{line[: _LINE_KEPT - 1]}…"


def _is_plain_bar(text: str) -> bool:
    """A progress bar that tells of nothing but progress: most of a log."""
    return (
        text[-1] == "]" and "nan" not in text and "inf" not in text and _BAR_ALONE.fullmatch(text) is not None
    )


class _Row(NamedTuple):
    rule: HintRule
    pattern: re.Pattern[str]
    earlier: int
    """Which of the matcher's earlier lines it wants; -1 for none."""
    within: int


class _Where(NamedTuple):
    rule: HintRule
    frame: re.Pattern[str]
    errors: re.Pattern[str]
    message: re.Pattern[str]
    last: bool

    def fits(self, frame: str, raised: Raised) -> bool:
        return bool(
            self.frame.search(frame) and self.errors.match(raised.error) and self.message.search(raised.line)
        )


class HintMatcher:
    """Finds known issues in a stream of output; each key once. Bounded memory; the same bytes cut at any
    place give the same hints."""

    def __init__(self, table: Iterable[HintRule] | None = None, seen: Iterable[str] = ()) -> None:
        self._rows: list[_Row] = []
        earlier: list[str] = []
        patterns: list[str] = []
        self._places: list[_Where] = []
        for row in rules() if table is None else table:
            for place in row.raised:
                frame, errors, message = one(place.frame), one(place.errors), one(place.message)
                self._places.append(_Where(row, frame, errors, message, place.last))
            for after in row.after:
                self._rows.append(_Row(row, compiled(after.patterns), len(earlier), after.within))
                earlier.append(after.line)
                patterns += after.patterns
            if row.patterns:
                self._rows.append(_Row(row, compiled(row.patterns), -1, 0))
                patterns += row.patterns
        self._earlier = [one(pattern) for pattern in earlier]
        self._may_match = prefilter((*patterns, *(line for line in earlier if line.startswith("^"))))
        self._may_be_frame = frame_filter(tuple(line for line in earlier if not line.startswith("^")))
        self._met_at: dict[int, int] = {}
        self._seen = set(seen)
        self._segments = Segments()
        self._logical = ""
        self._kind: Literal["", "logger", "exception"] = ""
        self._joined = 0
        self._was_cut = False
        self._frames = Frames()
        self._raised: Raised | None = None
        """An exception whose message may go on, and that no row has known yet."""
        self._unknown: Raised | None = None
        """One whose message is over."""
        self._echo_left = 0
        self._aside = False
        self._number = 0

    def feed(self, data: bytes) -> Iterator[Hint]:
        """The hints completed by these bytes."""
        for segment in self._segments.feed(data):
            text = segment.text.partition(PREFIX + "{")[0]
            while bar := _BAR.match(text):
                yield from self._line(bar[0])
                text = text[bar.end() :]
            yield from self._line(text)

    def close(self) -> Iterator[Hint]:
        """The hints that waited for more: the log is over."""
        yield from self.feed(b"\n")
        self._settle()
        yield from self._by_place()

    def forget(self, keys: Iterable[str]) -> None:
        """Give these again when they are met again: a new attempt begins."""
        self._seen.difference_update(keys)

    def _line(self, text: str) -> Iterator[Hint]:
        if not text or text.isspace() or _is_plain_bar(text):
            return
        self._number += 1
        if self._is_aside(text):
            return
        if self._in_echo(text):
            text = text[match.start() :] if (match := _ECHO_END.search(text)) else ""
            if not text:
                return
        for line in self._readings(text):
            if self._unknown is not None:
                yield from self._by_place()
            if self._may_match(line) or (line[:1] == " " and self._may_be_frame(line)):
                yield from self._match(line)

    def _is_aside(self, text: str) -> bool:
        if text[0] in "ET" and _ASIDE.match(text):
            self._aside = True
            return True
        if not self._aside or _OF_ASIDE.match(text):
            return self._aside
        self._aside = False
        return _EXCEPTION.match(text) is not None

    def _in_echo(self, text: str) -> bool:
        if _ECHO.search(text):
            self._echo_left = _ECHO_LINES
        if not self._echo_left:
            return False
        self._echo_left = 0 if _ECHO_END.search(text) else self._echo_left - 1
        return True

    def _readings(self, text: str) -> Iterator[str]:
        """The logical lines this piece may belong to, as far as they are known."""
        if text[0] in "│┃" and (inside := _BOX.match(text)):
            text = f"    {inside[1]}"
        elif (text[0] in "[2" or " | " in text[:44] or " STD" in text[:44]) and (
            prefix := _PREFIX.match(text)
        ):
            text = text[prefix.end() :]
        if text.startswith("File ") and _BARE_FRAME.match(text):
            text = f"  {text}"
        self._frames.note(text)
        bare = _SOURCE.sub("", text) if text.rstrip()[-1:].isdigit() else text
        head = _HEAD.match(bare)
        if self._kind == "logger" and head is None and _CONTINUATION.match(text):
            self._logical = f"{self._logical} {bare.strip()}"[:_LOGICAL_LINE]
            yield self._logical
            if told := _TOLD.match(self._logical):
                yield f"Exception: {told[1]}"
            return
        line = (bare[head.end() :] if head else bare)[:_LOGICAL_LINE]
        was_cut, self._was_cut = self._was_cut, len(text) in _TERMINAL_WIDTHS
        line = line if self._was_cut else line.rstrip()
        is_exception = head is None and _EXCEPTION.match(line) is not None
        belongs = self._kind == "exception" and not (head or is_exception or _AFTER_MESSAGE.match(text))
        if self._joined < _MESSAGE_LINES and (belongs or (was_cut and self._kind != "logger")):
            self._joined += 1
            self._logical += line if was_cut else f" {line.strip()}"
            self._logical = self._logical[:_LOGICAL_LINE]
            yield self._logical
            if belongs:
                yield line
                return
        else:
            self._logical, self._joined = line, 0
            self._settle()
        if is_exception:
            self._settle()
            self._raised = self._frames.raised(line)
        self._kind = "logger" if head else "exception" if is_exception else ""
        yield line
        if told := _TOLD.match(self._logical):
            yield f"Exception: {told[1]}"
        if raised := _RAISE.match(line):
            yield f"{raised[1]}: {raised[2]}"
        elif asserted := _ASSERT.match(line):
            yield f"AssertionError: {asserted[1]}"

    def _match(self, line: str) -> Iterator[Hint]:
        for index, pattern in enumerate(self._earlier):
            if pattern.search(line):
                self._met_at[index] = self._number
        for row in self._rows:
            if not row.pattern.search(line) or not self._was_met(row):
                continue
            self._raised = None
            yield from self._give(row.rule, line)
            return

    def _give(self, rule: HintRule, line: str) -> Iterator[Hint]:
        if rule.key not in self._seen and self._seen.isdisjoint(rule.unless):
            self._seen.add(rule.key)
            yield Hint(rule.key, rule.severity, _kept(line))

    def _settle(self) -> None:
        if self._raised is not None:
            self._unknown, self._raised = self._raised, None

    def _by_place(self) -> Iterator[Hint]:
        """The row of the innermost frame that any row knows."""
        raised, self._unknown = self._unknown, None
        if raised is None or _RETOLD.match(raised.line):
            return
        for last in (False, True):
            for frame in reversed(raised.frames):
                for place in self._places:
                    if place.last == last and place.fits(frame, raised):
                        yield from self._give(place.rule, raised.line)
                        return

    def _was_met(self, row: _Row) -> bool:
        if row.earlier < 0:
            return True
        at = self._met_at.get(row.earlier)
        return at is not None and (not row.within or self._number - at <= row.within)
