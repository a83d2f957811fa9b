"""The mending screens by themselves, from a command at a terminal."""

from __future__ import annotations

from pathlib import Path


def open_tags(folder: Path, wanted: str = "") -> int:
    """The tag table. Returns the exit code."""
    raise NotImplementedError


def open_duplicates(folder: Path, threshold: int = 90) -> int:
    """The groups of duplicates. Returns the exit code."""
    raise NotImplementedError
