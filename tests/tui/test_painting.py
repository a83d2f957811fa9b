"""Only what changed is sent, and the screen is then the same as if all had been."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.content import Content
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip

from loratui.events import StateChanged
from loratui.runs.hardware import gpu
from loratui.tui import painting
from loratui.tui.app import LoratuiApp
from loratui.tui.glyphs import glyphs
from loratui.tui.painting import Painter, differing, pieces
from loratui.tui.training import gpu_words
from loratui.tui.training.screen import TrainingScreen
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line, changes
from loratui.tui.widgets.scroll import choose_bars

ROWS = st.lists(st.text("ab 宽·", max_size=40), min_size=1, max_size=3)


@given(ROWS, st.data())
@settings(max_examples=60, deadline=None)
def test_the_changed_places_cover_every_difference(old: list[str], data: Any) -> None:
    new = data.draw(st.lists(st.text("ab 宽·", max_size=40), min_size=len(old), max_size=len(old)))
    regions = list(changes(Content("\n".join(old)), Content("\n".join(new))))
    for y, (one, other) in enumerate(zip(old, new, strict=True)):
        width = max(cell_len(one), cell_len(other))
        before, after = (Strip([Segment(row)]).adjust_cell_length(width) for row in (one, other))
        for region in (region for region in regions if region.y == y):
            left, right = before.crop(0, region.x), before.crop(region.right, width)
            before = Strip.join([left, after.crop(region.x, region.right), right])
        assert before.text.rstrip() == after.text.rstrip()


def test_a_style_alone_is_a_difference() -> None:
    plain = Content("loss 0.5")
    styled = Content.assemble(("loss ", ""), ("0.5", "bold"))
    assert [(region.x, region.width) for region in changes(plain, styled)] == [(5, 3)]
    assert list(changes(styled, styled)) == []


def test_far_changes_are_sent_apart_and_near_ones_together() -> None:
    before, after = Content("a" + "." * 40 + "b..c"), Content("x" + "." * 40 + "y..z")
    assert [(region.x, region.width) for region in changes(before, after)] == [(0, 1), (41, 4)]


LETTERS = [f"ABCDEFGH{letter}" * 3 for letter in "xyz"]
SPAN = st.tuples(st.integers(0, 2), st.integers(0, 26), st.integers(1, 27))


def update(rows: list[str], spans: list[tuple[int, int, int]] | None) -> ChopsUpdate | LayoutUpdate:
    """All rows, or spans of them."""
    strips = [Strip([Segment(row)]) for row in rows]
    if spans is None:
        return LayoutUpdate([[strip] for strip in strips], Region(0, 0, 27, 3))
    chops = [{0: strip.crop(0, 8), 8: strip.crop(8, 27)} for strip in strips]
    return ChopsUpdate(chops, [(y, x, min(27, x + width)) for y, x, width in spans], [[8, 27]] * 3)


@given(
    st.lists(
        st.tuples(
            st.permutations(LETTERS)
            | st.lists(st.text("ab c", min_size=27, max_size=27), min_size=3, max_size=3),
            st.none() | st.lists(SPAN, min_size=1, max_size=4),
            st.booleans(),
        ),
        max_size=6,
    )
)
@settings(max_examples=80, deadline=None)
def test_the_terminal_shows_the_same_as_if_all_had_been_sent(frames: list[Any]) -> None:
    """pyte is fed the differences, and the whole updates in their plain form beside it."""
    painter, console = Painter(), Console(force_terminal=True, color_system=None)
    lean, full = pyte.Screen(27, 3), pyte.Screen(27, 3)
    for rows, spans, forgets in frames:
        if forgets:
            painter.forget()
        wanted = update(rows, spans)
        pyte.Stream(lean).feed(differing(painter, wanted, 27).render_segments(console))
        for x, y, cells in pieces(wanted):
            pyte.Stream(full).feed(f"\x1b[{y + 1};{x + 1}H{cells.text}")
        assert lean.display == full.display


def test_what_is_shown_already_is_not_sent() -> None:
    painter, console = Painter(), Console(force_terminal=True, color_system=None)
    frame = update(LETTERS, None)
    assert len(differing(painter, frame, 27).render_segments(console)) > 81
    assert differing(painter, frame, 27).render_segments(console) == ""
    assert differing(painter, update(LETTERS, [(1, 3, 9)]), 27).render_segments(console) == ""
    changed = [LETTERS[0], LETTERS[1].replace("x", "q").replace("y", "q", 1), LETTERS[2]]
    assert differing(painter, update(changed, None), 27).render_segments(console) == "\x1b[2;9Hq"
    painter.forget()
    assert len(differing(painter, frame, 27).render_segments(console)) > 81
    assert len(differing(painter, update(LETTERS, None), 30).render_segments(console)) > 81  # another width


def whole(frame: Any, console: Console) -> str:
    """As Textual sends it."""
    return str(frame.render_segments(console))


@pytest.mark.parametrize("change", ["renamed class", "lost field", "no base", "no method", "other meaning"])
def test_where_textual_is_not_what_it_was_it_paints_by_itself(
    monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """No error, and nothing left out; what the terminal shows is unknown from then on."""
    painter, console = Painter(), Console(force_terminal=True, color_system=None)
    first = update(LETTERS, None)
    differing(painter, first, 27).render_segments(console)  # known: a second time nothing would be sent
    monkeypatch.setattr(painting, "_classes", [])
    frame: Any = update(LETTERS, None)
    match change:
        case "renamed class":
            frame = type("PaneUpdate", (), {"render_segments": lambda self, console: whole(first, console)})()
        case "lost field":
            del frame.strips
            monkeypatch.setattr(LayoutUpdate, "render_segments", lambda self, console: whole(first, console))
            first = type("Kept", (), {"render_segments": lambda self, console: "all of it"})()
        case "no base":
            monkeypatch.delattr("textual._compositor.CompositorUpdate")
        case "no method":
            monkeypatch.delattr("textual._compositor.CompositorUpdate.render_segments")
        case "other meaning":
            frame.region = None
            monkeypatch.setattr(LayoutUpdate, "render_segments", lambda self, console: "all of it")
            first = type("Kept", (), {"render_segments": lambda self, console: "all of it"})()
    assert differing(painter, frame, 27).render_segments(console) == whole(first, console) != ""
    assert differing(painter, None, 27) is None
    monkeypatch.undo()
    again = update(LETTERS, None)
    assert len(differing(painter, again, 27).render_segments(console)) > 81


def test_a_step_repaints_a_few_cells(
    make_run: Any, training: Any, alive: Any, add: Any, drive: Any, monkeypatch: Any
) -> None:
    """What would go to the terminal between two steps: all of it together is less than two rows."""
    run = make_run(*training(124))
    alive(run)
    sent: list[str] = []
    console, painter = Console(force_terminal=True, color_system="256"), Painter()

    def display(app: LoratuiApp, screen: Any, renderable: Any) -> None:
        if isinstance(renderable, ChopsUpdate | LayoutUpdate):
            sent.append(differing(painter, renderable, app.size.width).render_segments(console))

    async def act(pilot: Pilot[None]) -> None:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        monkeypatch.setattr(LoratuiApp, "_display", display)
        screen = pilot.app.screen
        assert isinstance(screen, TrainingScreen)
        add(run, training(125)[-1:], 500)
        screen._look()
        await pilot.pause()
        assert "step 125" in screen.query_one("#head", Line).text

    drive(LoratuiApp(run_id=run.id), act)
    assert 0 < sum(map(len, sent)) < 900


def test_the_trainer_s_own_peak_stands_where_nobody_else_tells_one() -> None:
    nothing = gpu.GpuReading((), gpu.NO_GPU)
    assert gpu_words.parts(nothing, 3 << 30)[0][1] == "trainer's peak 3.0 GiB"
    assert gpu_words.block(nothing, 34, {}, 3 << 30).endswith("\ntrainer's peak 3.0 GiB")
    one = gpu.Gpu(0, "A", 2 << 30, 24 << 30, None, None, None, None)
    assert "peak 2.0 GiB, trainer's peak 1.0 GiB" in gpu_words.block(
        gpu.GpuReading((one,), ""), 60, {"0": 2 << 30}, 1 << 30
    )
    assert "trainer" not in gpu_words.block(nothing, 34)


def test_a_plain_terminal_gets_nothing_but_ascii(
    make_run: Any, training: Any, drive: Any, screen_text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Panel, help with its scroll bar, list, and the question before deleting."""
    monkeypatch.setenv("LORATUI_ASCII", "1")
    glyphs.cache_clear()
    run = make_run(*training(200), StateChanged("finished"))

    async def act(pilot: Pilot[None]) -> str:
        seen = ""
        for keys in ([], ["question_mark"], ["escape", "escape"], ["c"], ["d"]):
            await pilot.press(*keys)
            await pilot.pause()
            seen += str(screen_text(pilot.app))
        return seen

    try:
        text = drive(LoratuiApp(run_id=run.id), act, (80, 18))
    finally:
        glyphs.cache_clear()
        monkeypatch.delenv("LORATUI_ASCII")
        choose_bars()
    assert "This cannot be undone" in text
    assert text.isascii(), sorted({character for character in text if not character.isascii()})


def test_the_screens_have_the_colours_of_their_own_theme(home: Path) -> None:
    """A stylesheet keeps the variables it was made with."""

    async def colours() -> tuple[str, set[str]]:
        app = LoratuiApp()
        async with app.run_test(size=(100, 30)) as pilot:
            await pilot.pause()
            rail = app.screen.query_one("#rail", Line).render_line(2)
            return app.screen.query_one(KeyBar).styles.background.hex, {
                segment.style.color.name for segment in rail if segment.style and segment.style.color
            }

    panel, muted = asyncio.run(colours())
    assert panel == "#262626" and "#ffffff" not in muted
