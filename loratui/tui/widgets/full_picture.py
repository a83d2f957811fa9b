"""One picture on the whole terminal, at full quality, until a key is pressed."""

from __future__ import annotations

import io
import os
import select
import sys
import termios
import time
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from textual.app import App, SuspendNotSupported

from loratui.tui.widgets import graphics

PATIENCE = 2.0
"""Seconds for the answer of a terminal at the far end of a slow link."""
_CLEAR = b"\x1b[2J\x1b[H"


def show(app: App[None], path: Path) -> str:
    """Put the screens aside, show the picture, wait for a key, and come back. Returns why it was not shown;
    empty when it was. Imports Pillow."""
    try:
        with app.suspend(), _raw(sys.__stdin__.fileno()) as terminal:  # type: ignore[union-attr]
            return _show(terminal, path)
    except (SuspendNotSupported, OSError, ValueError, termios.error) as error:
        return f"It cannot be shown ({error})."


def _show(terminal: int, path: Path) -> str:
    from PIL import Image

    able = ask(terminal)
    if not (able.kitty or able.sixel):
        return "This terminal shows no pictures (neither kitty's protocol nor sixel); tmux passes none on."
    columns, rows = os.get_terminal_size(terminal)
    room = columns * able.cell[0], (rows - 2) * able.cell[1]
    with Image.open(path) as opened:
        picture = opened.convert("RGB")
    picture = picture.resize(graphics.fit(picture.size, room), Image.Resampling.LANCZOS)
    _write(terminal, _CLEAR)
    if able.kitty:
        png = io.BytesIO()
        picture.save(png, "PNG")
        pieces = graphics.kitty(png.getvalue())
    else:
        pieces = graphics.sixel(picture)
    for piece in pieces:
        _write(terminal, piece)
    _write(terminal, b"\r\nany key goes back")
    select.select([terminal], [], [])
    os.read(terminal, 1024)
    _write(terminal, _CLEAR)
    return ""


def ask(terminal: int) -> graphics.Abilities:
    """What the terminal behind a descriptor, in raw mode, can show."""
    _write(terminal, graphics.QUESTIONS)
    answers, deadline = b"", time.monotonic() + PATIENCE
    while not graphics.is_answered(answers) and (left := deadline - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            answers += os.read(terminal, 1024)
    return graphics.abilities(answers)


@contextmanager
def _raw(terminal: int) -> Iterator[int]:
    """Keys one by one, and none echoed."""
    before = termios.tcgetattr(terminal)
    tty.setraw(terminal)
    try:
        yield terminal
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


def _write(terminal: int, data: bytes) -> None:
    while data:
        data = data[os.write(terminal, data) :]
