"""What a person wrote about a run: notes.txt in its folder."""

from __future__ import annotations

from pathlib import Path

from loratui.problems import refusal
from loratui.runs.files import replace_file
from loratui.runs.layout import Run

LONGEST = 20_000
"""Bytes; a note is no novel."""


def notes_file(run: Run) -> Path:
    """Where they are kept."""
    return run.folder / "notes.txt"


def read_notes(run: Run) -> str:
    """All of them; empty when there are none."""
    try:
        return notes_file(run).read_bytes()[:LONGEST].decode("utf-8", errors="replace")
    except OSError:
        return ""


def write_notes(run: Run, text: str) -> None:
    """In place of those before. Raises ``UserError`` when they are too long or the disk refuses."""
    data = text.strip().encode("utf-8", errors="replace")
    path = notes_file(run)
    if len(data) > LONGEST:
        raise refusal(path, f"is limited to {LONGEST:,} bytes.", "Shorten the notes.")
    try:
        replace_file(path, data + b"\n" if data else b"")
    except OSError as error:
        raise refusal(path, f"cannot be written ({error.strerror}).", "Free some space.") from None
