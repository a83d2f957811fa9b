"""The mending screens by themselves, from a command at a terminal. Each returns the exit code."""

from __future__ import annotations

from pathlib import Path

from loratui.dataset import history


def open_menu(folder: Path) -> int:
    """Everything there is to mend."""
    from loratui.tui.app import run_app
    from loratui.tui.dataset.menu import MendMenu

    history.begin(folder)  # what is wrong with the folder is said before a screen opens
    return run_app(first=lambda: MendMenu(folder))


def open_duplicates(folder: Path, threshold: int = 90) -> int:
    """The groups of duplicates."""
    from loratui.tui.app import run_app
    from loratui.tui.dataset.duplicates import DuplicatesScreen

    history.begin(folder)
    return run_app(first=lambda: DuplicatesScreen(folder, threshold))


def open_tags(folder: Path, wanted: str = "") -> int:
    """The tag table."""
    from loratui.tui.app import run_app
    from loratui.tui.dataset.tags import TagsScreen

    history.begin(folder)
    return run_app(first=lambda: TagsScreen(folder, wanted))
