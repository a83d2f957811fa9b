"""A filter while it is being typed: what stands there, and the last that could be read."""

from __future__ import annotations

from loratui.dataset.mending.tag_filter import Filter, Or, Term, parse
from loratui.problems import Problem, UserError


class TypedFilter:
    """What is typed may be no filter yet; until it is one again, the one before it counts."""

    def __init__(self, text: str = "") -> None:
        """Raises ``UserError`` for a text that is no filter."""
        self.text = ""
        """The text of the filter that counts."""
        self.filter: Filter | None = None
        """None shows everything."""
        self.problem: Problem | None = None
        """What is wrong with the text that stands there now."""
        self._take(text)

    def type(self, text: str) -> None:
        """Take a text as typed."""
        try:
            self._take(text)
        except UserError as error:
            self.problem = error.problems[0]

    def _take(self, text: str) -> None:
        self.filter = parse(text) if text.strip() else None
        self.text, self.problem = text, None

    def narrowed(self, term: Term) -> str:
        """The text of a filter that wants a term besides."""
        text = self.text.strip()
        if not text:
            return str(term)
        return f"({text}) AND {term}" if isinstance(self.filter, Or) else f"{text} AND {term}"
