"""Which set a screen is about, and what went wrong with it, in words."""

from __future__ import annotations

from pathlib import Path

from loratui.dataset import history
from loratui.problems import Problem, UserError
from loratui.tui.text import plain, sentence


def step_words(folder: Path) -> str:
    """Which set a screen is about: its name and the step that counts."""
    try:
        found = history.find(folder)
    except UserError:
        return plain(folder.name)
    return plain(found.source.name) + (f", step {found.number}" if found.number else "")


def error_words(error: UserError) -> str:
    """The first problem of an error, with the name of the file it is about, on one line."""
    first = error.problems[0]
    source = plain(Path(error.source).name) + ": " if error.source else ""
    return source + (sentence(first) if not source else plain(f"{first.message} {first.fix}".strip()))


def system_error(error: OSError) -> UserError:
    """What the system refused, as an error to be shown."""
    return UserError(error.filename or "", Problem("", f"{error.strerror or error}."))
