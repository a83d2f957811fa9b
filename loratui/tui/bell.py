"""Calling a person back to the terminal: the bell, and a notification where the terminal shows one."""

from __future__ import annotations

from textual.app import App

from loratui.tui.text import clip, plain


def call_back(app: App[None], words: str) -> None:
    """Ring the bell and ask for a notification of the desktop (OSC 9: iTerm2, kitty, WezTerm;
    other terminals pass over it). Sent once; nothing of the screen changes."""
    app.bell()
    driver = app._driver
    if driver is not None:
        driver.write(f"\x1b]9;{clip(plain(words), 120)}\x07")
        driver.flush()
