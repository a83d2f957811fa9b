"""Text that is only painted again when it has changed."""

from __future__ import annotations

from textual.content import Content
from textual.widgets import Static


class Line(Static):
    """Text without markup. Painting costs bytes on a slow link, so equal text is never sent twice."""

    def __init__(
        self, text: str | Content = "", *, id: str | None = None, classes: str | None = None
    ) -> None:
        self._shown = as_content(text)
        super().__init__(self._shown, id=id, classes=classes, markup=False)

    @property
    def text(self) -> str:
        """What is shown, without styles."""
        return self._shown.plain

    def show(self, text: str | Content) -> None:
        """Show other text, where it is other text."""
        content = as_content(text)
        if content.plain == self._shown.plain and content.spans == self._shown.spans:
            return
        grows = not self.styles.height or self.styles.height.is_auto
        self._shown = content
        self.update(content, layout=grows)


def as_content(text: str | Content) -> Content:
    """Text as it stands: brackets in it are brackets."""
    return text if isinstance(text, Content) else Content(text)
