"""What went wrong on the disk, as the wizard shows it."""

from __future__ import annotations

from loratui.problems import Problem, UserError


def as_problem(key: str, error: UserError) -> Problem:
    """An error as a problem of one setting."""
    first = error.problems[0]
    source = f"{error.source}: " if error.source else ""
    return Problem(key, f"{source}{first.message}", first.fix)


def reason(error: OSError | ValueError) -> str:
    """What the system says, without a number."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
