"""Whether what the check found wrong stands in the way: until it is mended, or a person goes on in spite of
it."""

from __future__ import annotations

from pathlib import Path

from loratui.dataset.checking import mending_commands
from loratui.dataset.checking.checks import Report
from loratui.dataset.checking.finding import Finding
from loratui.tui.text import number, plain

_SCREENS = {"convert": "f", "arrange": "n", "dedupe": "d", "edit": "t", "mend": "t"}
"""The key of the menu that mends, by the command that does the same."""
_THERE = {"caption_missing": "m", "caption_empty": "m", "caption_not_utf8": "n"}
"""The key on the page of captions and tags, by finding."""


class Doubt:
    """The errors of the last report, less those that a person has seen and waved through."""

    def __init__(self) -> None:
        self._waved: frozenset[tuple[str, tuple[str, ...]]] = frozenset()

    def errors(self, report: Report | None) -> list[Finding]:
        """What stands in the way."""
        found = report.findings if report is not None else ()
        return [one for one in found if one.severity == "error" and (one.code, one.files) not in self._waved]

    def wave(self, report: Report | None) -> bool:
        """Go on in spite of what is known now. Returns whether anything stood in the way."""
        errors = self.errors(report)
        self._waved |= {(one.code, one.files) for one in errors}
        return bool(errors)


def words(errors: list[Finding], folder: Path) -> str:
    """What is wrong first, and which keys mend it."""
    first = errors[0]
    key = _SCREENS.get(mending_commands.operation(first, folder))
    if key:
        there = f", then {_THERE[first.code]}" if first.code in _THERE else ""
        mend = f"ctrl+t, then {key}{there} mends it."
    else:
        mend = "ctrl+o says what to do."
    return f"Not ready, {number(len(errors), 'error')}: {plain(first.message)} {mend}"
