"""The keys of this screen, on one line."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widget import Widget


class KeyBar(Widget):
    """Pairs of key and words; those that do not fit are left out, so the first come first."""

    DEFAULT_CSS = """
    KeyBar { height: 1; dock: bottom; }
    """

    def __init__(self, *keys: tuple[str, str], id: str = "keys") -> None:
        super().__init__(id=id)
        self._keys: tuple[tuple[str, str], ...] = keys

    def show(self, keys: Sequence[tuple[str, str]]) -> None:
        """Show other keys, where they are others."""
        if tuple(keys) != self._keys:
            self._keys = tuple(keys)
            self.refresh()

    def render(self) -> Content:
        parts: list[tuple[str, str]] = [(" ", "")]
        left = self.size.width - 1
        for key, words in self._keys:
            needed = len(key) + len(words) + 3
            if needed > left + 2:
                break
            parts += [(key, "bold $accent"), (f" {words}  ", "")]
            left -= needed
        return Content.assemble(*parts)
