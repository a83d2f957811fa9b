"""The logical lines of what a trainer prints: whole messages, without what a logger, a terminal, a front end
or a container put around them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from loratui.runs.hints.tracebacks import Frames, Raised

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
_BARE_FRAME = re.compile(r'^File "[^"]+", line \d+, in\b')
# A logger's head, as rich draws it or bare
_HEAD = re.compile(
    r"^(?:\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[^ ]*\s+|\d\d:\d\d:\d\d-\d{6}\s+)?"
    r"\s*(?:INFO|WARNING|ERROR|CRITICAL)(?::[\w.]+:|\s*:\s*|\s+)"
)
_SOURCE = re.compile(r"\s{2,}\w+\.py:\d+\s*$")
# The same behind a message as long as rich's column is wide
_CLOSE_SOURCE = re.compile(r" \w+\.py:\d+\s*$")
_CONTINUATION = re.compile(r"^ {18,}\S")
# A progress bar ends in no line break, so what is printed next stands behind it
_BAR_ALONE = re.compile(r"(?:[^|]{0,80}\|[^|]{0,400}\| *\d+/\d+ |\d+it )\[[^\]]{0,200}\]")
_BAR = re.compile(f"{_BAR_ALONE.pattern}(?=.)")
# accelerate repeats a failure together with the whole command line
_ECHO = re.compile(r"(?:CalledProcessError: |^)Command\b(?= '|$)")
_ECHO_END = re.compile(r"(?:returned +non-zero +exit +status|died +with +<Signals\.)")
_ECHO_TAIL = 40
# What was started, where it was no trainer
_STARTED = re.compile(r"""\bCommand \W{1,3}(?:[^'",\]]*[/\\])?([\w.+-]+?)(?:\.exe)?['"]""")

# An exception's last line; what follows it may belong to its message, which a terminal may have wrapped
_EXCEPTION = re.compile(r"^(?:[A-Za-z_]\w*\.)*\w*(?:[Ee]rror|Exception|Invalid|Died)\b(?:: |:?$)")
_AFTER_MESSAGE = re.compile(
    r"Traceback |  File |During handling|The above exception|\S+:\d+: \w*Warning|[EFIW]\d{4} \d\d:\d\d:\d\d\."
)
_MESSAGE_LINES = 12
# A line as long as a terminal is wide was cut there; what follows is its rest
_TERMINAL_WIDTHS = frozenset({80, 100, 120, 132, 160, 200})
# An exception beside the training: tensorboard's reloader, a connection that a browser closed
_ASIDE = re.compile(
    r"Exception (?:in (?:thread Reloader|callback )|ignored in)"
    r"|Task exception was never retrieved|Error in sitecustomize"
)
_OF_ASIDE = re.compile(r"Traceback \(|[ │╭╰]|(?:handle|future|task): ")
# The statement that raised, as a traceback shows it: all there is of a message when the log was cut
_RAISE = re.compile(r"^\s{4,}raise (?:\w+\.)*(\w+)\(f?[\"'](.*)$")
# An exception as Python's repr shows it, printed by a program that caught it
_REPR = re.compile(r"""^((?:\w+\.)*\w+(?:Error|Exception))\((["'])(.+?)(?:\2\)?,?)?$""")
_ASSERT = re.compile(r"^\s{4,}assert .+, f?[\"](.*)$")
# What front ends print of an exception: its message, without its class
_TOLD = re.compile(
    r"^(?:!!! Exception during processing !!! |An error occurred\b[^:]{0,60}: "
    r"|(?:Training|Train) failed[^:]{0,30}: |Train Tools: [\w.]+ error |Error running job: )(.+)"
)
# rich's tracebacks stand in a box, with line numbers and a mark before the statement
_BOX = re.compile(r"^[│┃](?:[ ❱]*\d+ [│┃]?)?[ │┃]*(.*?)[ │┃]*$")
# A line of the source beside the one that is at work, or the box's edge
_BESIDE = re.compile(r"^(?:[│┃] *\d+ |[╭╰])")


def apart(text: str) -> Iterator[str]:
    """The progress bars at a line's beginning, and what was printed behind them."""
    while bar := _BAR.match(text):
        yield bar[0]
        text = text[bar.end() :]
    yield text


def _is_plain_bar(text: str) -> bool:
    """A progress bar that tells of nothing but progress: most of a log."""
    return (
        text[-1] == "]" and "nan" not in text and "inf" not in text and _BAR_ALONE.fullmatch(text) is not None
    )


class Lines:
    """Reads a log piece by piece. Bounded memory."""

    def __init__(self, *, alone: bool = False) -> None:
        """``alone``: the log holds nothing else that tells."""
        self._alone = alone
        self.number = 0
        """Pieces so far, without progress bars."""
        self.unknown: Raised | None = None
        """An exception whose message is over, and that nobody has known."""
        self.has_failed = False
        """An exception ended a traceback that nobody caught, or a line said so."""
        self._raised: Raised | None = None
        """One whose message may go on."""
        self._logical = ""
        self._kind: Literal["", "logger", "exception"] = ""
        self._joined = 0
        self._was_cut = False
        self._frames = Frames()
        self._echo_left = 0
        self._echo_tail = ""
        self._after_bare_frame = False
        self._aside = False

    def readings(self, text: str) -> Iterator[str]:
        """The logical lines this piece may belong to, as far as they are known."""
        if not text or text.isspace() or _is_plain_bar(text):
            return
        self.number += 1
        if self._is_aside(text):
            return
        if self._in_echo(text):
            if started := _STARTED.search(text):
                yield f"the program that failed: {started[1]}"
            text = f"{self._echo_tail} {text.lstrip()}" if self._echo_tail else text
            self._echo_tail = text[-_ECHO_TAIL:].rstrip() if self._echo_left else ""
            text = text[match.start() :] if (match := _ECHO_END.search(text)) else ""
        if text:
            yield from self._of(text)

    def is_known(self) -> None:
        """The exception at hand was known by its message."""
        self._raised = None

    def close(self) -> None:
        """The log is over, and with it any message."""
        self._settle()
        self.has_failed = self.has_failed or self._frames.is_inside
        self.unknown = self.unknown or self._frames.cut_off(alone=self._alone)
        self.has_failed = self.has_failed or self.unknown is not None

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
        is_over = _ECHO_END.search(f"{self._echo_tail} {text.lstrip()}")
        self._echo_left = 0 if is_over else self._echo_left - 1
        return True

    def _of(self, text: str) -> Iterator[str]:
        if text[0] in "│┃╭╰":
            inside = _BOX.match(text)
            if _BESIDE.match(text):
                if inside:
                    yield f"    {inside[1]}"
                return
            text = f"    {inside[1]}" if inside else text
        elif (text[0] in "[2" or " | " in text[:44] or " STD" in text[:44]) and (
            prefix := _PREFIX.match(text)
        ):
            text = text[prefix.end() :]
        if text.startswith("File ") and _BARE_FRAME.match(text):
            text, self._after_bare_frame = f"  {text}", True
        elif self._after_bare_frame:
            self._after_bare_frame = False
            if text[0] != " " and not (_EXCEPTION.match(text) or _AFTER_MESSAGE.match(text)):
                text = f"    {text}"
        self._frames.note(text)
        bare = _SOURCE.sub("", text) if text.rstrip()[-1:].isdigit() else text
        head = _HEAD.match(bare)
        if self._kind == "logger" and head is None and _CONTINUATION.match(text):
            self._logical = f"{self._logical} {bare.strip()}"[:_LOGICAL_LINE]
            yield self._logical
            if told := _TOLD.match(self._logical):
                yield f"Exception: {told[1]}"
            return
        if head and bare is text:
            bare = _CLOSE_SOURCE.sub("", text)
        line = (bare[head.end() :] if head else bare)[:_LOGICAL_LINE]
        was_cut, self._was_cut = self._was_cut, len(text) in _TERMINAL_WIDTHS
        line = line if self._was_cut else line.rstrip()
        is_exception = head is None and _EXCEPTION.match(line) is not None
        belongs = self._kind == "exception" and not (head or is_exception or _AFTER_MESSAGE.match(text))
        if self._joined < _MESSAGE_LINES and (belongs or (was_cut and self._kind != "logger")):
            self._joined += 1
            tight = self._logical + line.strip()
            self._logical += line if was_cut else f" {line.strip()}"
            self._logical = self._logical[:_LOGICAL_LINE]
            yield self._logical
            if belongs:
                if not was_cut and self._joined == 1:
                    yield tight[:_LOGICAL_LINE]
                yield line
                return
        else:
            self._logical, self._joined = line, 0
            self._settle()
        if is_exception:
            self._settle()
            self._raised = self._frames.raised(line)
            self.has_failed = self.has_failed or (self._raised is not None and not self._raised.is_harmless)
        self._kind = "logger" if head else "exception" if is_exception else ""
        yield line
        if told := _TOLD.match(self._logical):
            yield f"Exception: {told[1]}"
        if raised := _RAISE.match(line):
            yield f"{raised[1]}: {raised[2]}"
        elif asserted := _ASSERT.match(line):
            yield f"AssertionError: {asserted[1]}"
        elif shown := _REPR.match(line):
            yield f"{shown[1]}: {shown[3]}"

    def _settle(self) -> None:
        if self._raised is not None:
            self.unknown, self._raised = self._raised, None
