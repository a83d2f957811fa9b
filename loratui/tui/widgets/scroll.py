"""Scroll bars for terminals without block characters."""

from __future__ import annotations

from typing import ClassVar

from textual.scrollbar import ScrollBar, ScrollBarRender

from loratui.tui.glyphs import glyphs


class PlainBars(ScrollBarRender):
    """Drawn by background alone: whole cells."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "] * 8
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


def choose_bars() -> None:
    """Bars that this terminal can show."""
    ScrollBar.renderer = ScrollBarRender if glyphs().unicode else PlainBars
