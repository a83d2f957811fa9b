"""Signs for poor terminals, and numbers as people read them."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from textwrap import wrap
from typing import Any

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot

from loratui.tui import glyphs as glyph_module
from loratui.tui import text
from loratui.tui.app import LoratuiApp
from loratui.tui.glyphs import ASCII, UNICODE, choose
from loratui.tui.help import flowing
from loratui.tui.runs.rows import started


@pytest.mark.parametrize(
    ("environment", "encoding", "expected"),
    [
        ({}, "utf-8", UNICODE),
        ({"LC_ALL": "en_US.UTF-8"}, "UTF-8", UNICODE),
        ({"LC_ALL": "C"}, "utf-8", ASCII),
        ({"TERM": "linux"}, "utf-8", ASCII),
        ({}, "iso8859-1", ASCII),
        ({}, "no such encoding", ASCII),
        ({"LORATUI_ASCII": "1"}, "utf-8", ASCII),
    ],
)
def test_the_signs_follow_the_terminal(environment: dict[str, str], encoding: str, expected: object) -> None:
    assert choose(environment, encoding) is expected


def test_every_sign_is_one_cell_and_ascii_is_ascii() -> None:
    for field in fields(ASCII):
        if field.name != "unicode":
            assert getattr(ASCII, field.name).isascii()
            assert len(getattr(ASCII, field.name)) == len(getattr(UNICODE, field.name)) == 1


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
def test_an_ascii_terminal_gets_nothing_else(
    make_run: Any,
    training: Any,
    alive: Any,
    drive: Any,
    screen_text: Any,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
) -> None:
    monkeypatch.setenv("LORATUI_ASCII", "1")
    glyph_module.glyphs.cache_clear()
    run = make_run(*training(60))
    alive(run)

    async def act(pilot: Pilot[None]) -> list[str]:
        panel = str(screen_text(pilot.app))
        await pilot.press("escape", "n")
        await pilot.pause()
        return [panel, str(screen_text(pilot.app))]

    try:
        for shown in drive(LoratuiApp(run_id=run.id), act, size):
            assert {character for character in shown if not character.isascii()} == set()
    finally:
        glyph_module.glyphs.cache_clear()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(45, "45 s"), (59.6, "60 s"), (960, "16 min"), (12_000, "3 h 20 min"), (90_000, "1 d 1 h")],
)
def test_durations(seconds: float, words: str) -> None:
    assert text.duration(seconds) == words


def test_plain_text_has_nothing_a_terminal_would_obey() -> None:
    assert text.plain("a\x1b[31mb\x07\nc\u202ed\ud800") == "ab cd?"


def test_losses_and_sizes() -> None:
    assert text.loss(0.03124) == "0.0312"
    assert text.loss(None) == "-"
    assert text.loss(None, finite=False) == "nan"
    assert text.size(13_600_000) == "13.6 MB"
    assert text.clip("abcdef", 4) == "abc" + glyph_module.glyphs().more


def test_a_message_is_made_to_fit_without_losing_what_to_press() -> None:
    path = "/a/" + "deep/" * 40 + "picture.png"
    shown = text.squeeze(f"{path} cannot be read as a picture. Press ctrl+t.", 78, 3)
    assert "picture.png cannot be read" in shown and shown.endswith("Press ctrl+t.")
    assert len(wrap(shown, 78)) <= 3
    assert text.squeeze("Short enough.", 78, 3) == "Short enough."
    long = text.squeeze("word " * 100, 40, 2)
    assert len(wrap(long, 40)) == 2 and long.endswith(glyph_module.glyphs().more)


def test_when_a_run_was_started() -> None:
    now = datetime.fromisoformat("2026-11-21T12:00:00+00:00").astimezone()
    assert started("2026-11-21T11:00:00+00:00", now).startswith("today ")
    assert started("2026-11-20T11:00:00+00:00", now) == "yesterday"
    assert started("2026-11-18T12:00:00+00:00", now) == "18 Nov"
    assert started("rubbish", now) == "-"


def test_prose_flows_and_lists_do_not() -> None:
    prose = "a line that somebody broke by hand at the width of his own editor, which is not ours\nhere."
    assert flowing(prose) == prose.replace("\n", " ")
    assert flowing("one\ntwo") == "one\ntwo"


@pytest.mark.parametrize("name", ["猫の絵" * 9, "🐱 cat " * 9, "plain " * 9, "ünï猫" * 9])
@pytest.mark.parametrize("width", [7, 8, 30])
def test_columns_are_counted_in_cells(name: str, width: int) -> None:
    """A Chinese letter takes two places of a terminal: a line counted in letters would lose its end."""
    for cut in (text.clip, text.clip_path, text.clip_middle):
        assert cell_len(cut(name, width)) <= width
    assert cell_len(text.column(name, width)) == cell_len(text.column("a", width)) == width
    assert all(cell_len(row) <= width for row in text.rows(name, width))
    assert "".join(text.rows(name, width)).replace(" ", "") == name.replace(" ", "")
    told = text.squeeze(f"{name * 9} cannot be read. Press ctrl+t.", 40, 3)
    assert len(text.rows(told, 40)) <= 3 and told.endswith("Press ctrl+t.") == (" " not in name.strip())


def test_a_file_keeps_what_tells_it_from_its_neighbours() -> None:
    shown = text.clip_middle("a very long name of a LoRA-000018.safetensors", 30)
    assert shown.startswith("a very") and shown.endswith("-000018.safetensors") and len(shown) == 30
