"""The app of a screen under its own type: Textual knows it as any app."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from textual.app import App

    from loratui.tui.app import LoratuiApp


def own_app(app: App[Any]) -> LoratuiApp:
    """``app``, with what every screen may ask of it: another screen, and last words at the prompt."""
    return cast("LoratuiApp", app)
