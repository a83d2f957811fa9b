"""What went wrong on the disk, as the wizard shows it."""

from __future__ import annotations

from loratui.problems import Problem, UserError


def as_problem(key: str, error: UserError) -> Problem:
    """An error as a problem of one setting."""
    first = error.problems[0]
    source = f"{error.source}: " if error.source else ""
    return Problem(key, f"{source}{first.message}", first.fix)


_LONGEST_PATH = 4096
"""PATH_MAX of Linux."""


def too_long(key: str, text: str) -> Problem | None:
    """What is wrong with a text that can be no path."""
    if len(text) <= _LONGEST_PATH:
        return None
    return Problem(key, f"these are {len(text):,} letters; no path is so long.", "ctrl+u empties the field.")


def reason(error: OSError | ValueError) -> str:
    """What the system says, without a number."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
