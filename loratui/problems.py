"""What is wrong with something a person wrote, in a sentence they can act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that must be changed before work can start."""

    key: str
    """Dotted name of the value meant, for example ``network.alpha``; empty for the whole file."""

    message: str
    """What is wrong, naming the value."""

    fix: str = ""
    """What to do about it."""

    cause: str = field(default="", compare=False)
    """The known issue it is, a key of presets/hints, where a run's panel has more to say of it."""

    def __str__(self) -> str:
        where = f"{self.key}: " if self.key else ""
        fix = f" {self.fix}" if self.fix else ""
        return f"{where}{self.message}{fix}"


class UserError(Exception):
    """Something only the person can put right. Shown as text, never as a traceback.

    ``source`` is the file or folder meant; ``problems`` says each thing wrong with it.
    """

    def __init__(self, source: str, *problems: Problem) -> None:
        self.source = source
        self.problems = problems
        super().__init__(source, *problems)

    def __str__(self) -> str:
        prefix = f"{self.source}: " if self.source else ""
        return "\n".join(f"{prefix}{problem}" for problem in self.problems)


def refusal(path: object, message: str, fix: str, cause: str = "") -> UserError:
    """One sentence about one file or folder, to be raised; ``cause`` as in ``Problem``."""
    return UserError(str(path), Problem("", message, fix, cause))


def nearest(word: str, known: Iterable[str]) -> str:
    """A sentence naming the known word closest to ``word``, or nothing when none is close."""
    import difflib  # 6 ms, and needed only when something is wrong

    matches = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"Did you mean {matches[0]!r}?" if matches else ""
