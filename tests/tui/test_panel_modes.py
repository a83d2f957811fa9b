"""Log, chart, pictures and notes of a run by keys alone."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from PIL import Image
from textual.pilot import Pilot

from loratui.events import Sample, StateChanged
from loratui.runs import layout
from loratui.runs.notes import read_notes
from loratui.tui.app import LoratuiApp
from loratui.tui.training.log_pane import LogPane
from loratui.tui.training.samples import SamplesScreen
from loratui.tui.widgets.chart_scale import Look
from loratui.tui.widgets.curve_chart import CurveChart

SIZES = [(80, 24), (100, 30), (140, 45)]


def log_lines(pilot: Pilot[None]) -> list[str]:
    return list(pilot.app.screen.query_one(LogPane).lines.lines)


def test_a_long_line_of_the_log_is_marked_and_read_to_its_end(
    make_run: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    run = make_run(StateChanged("running"))
    alive(run)
    run.output.write_text("short\n" + "猫" * 20 + "begin " + "x" * 60 + " the very end\n")

    async def act(pilot: Pilot[None]) -> list[str]:
        await pilot.press("l")
        shown = []
        for keys in ((), ("right", "right"), ("left", "left"), ("slash",)):
            await pilot.press(*keys)
            await pilot.pause()
            shown.append(str(screen_text(pilot.app)))
        return shown

    begin, end, back, searching = drive(LoratuiApp(run_id=run.id), act, (80, 24))
    assert "猫begin xxx" in begin and "x…" in begin and "the very end" not in begin
    assert "x the very end" in end and "…" in end
    assert "猫begin xxx" in back and "left/right shift" in back and "? help" in back
    assert "enter search" in searching and "l panel" not in searching


def test_a_telephone_shows_what_counts_and_its_keys(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    run = make_run(*training(60))
    alive(run)
    run.output.write_text("a line of the log\n")

    async def act(pilot: Pilot[None]) -> list[str]:
        shown = []
        for keys in ((), ("l",), ("c",), ("c", "escape")):
            await pilot.press(*keys)
            await pilot.pause()
            shown.append(str(screen_text(pilot.app)))
        return shown

    panel, log, chart, runs = drive(LoratuiApp(run_id=run.id), act, (45, 25))
    assert "RUNNING  step 60/200  30%" in panel and "loss " in panel and "epoch 3/10" in panel
    assert "Training goes on" in panel and "q leave (run goes on)" in panel
    assert "a line of the log" in log and "/ search" in log and "Training goes on" not in log
    assert "step 60" in chart and "zoom" in chart and "Training goes on" not in chart
    head, row = runs.splitlines()[1:3]
    assert len(head.rstrip()) <= 45 and "60/200" in row


@pytest.mark.parametrize("size", SIZES)
def test_the_log_is_searched_filtered_and_followed(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    run = make_run(*training(30))
    alive(run)
    lines = [f"line {number}" for number in range(300)]
    lines[40], lines[250] = "ERROR here is a [red]needle[/red]", "WARNING another Needle"
    run.output.write_text("\n".join(lines) + "\n")

    async def act(pilot: Pilot[None]) -> list[str]:
        seen = []
        await pilot.press("l", "slash", *"needle", "enter")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        await pilot.press("n")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        await pilot.press("e")
        await pilot.pause()
        seen.append("\n".join(log_lines(pilot)))
        await pilot.press("e", "end")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        await pilot.press("escape")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        return seen

    found, older, grave, end, panel = drive(LoratuiApp(run_id=run.id), act, size)
    assert "2 lines with 'needle'" in found
    assert "WARNING another Needle" in found
    assert "match 1 of 2" in older
    assert "a [red]needle[/red]" in older
    assert grave.split("\n") == [lines[40], lines[250]]
    assert "line 299" in end
    assert "RUNNING  step 30" in panel
    assert "c chart" in panel


def test_a_log_held_still_stays_where_it_is_while_lines_come(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    run = make_run(*training(30))
    alive(run)
    run.output.write_text("".join(f"line {number}\n" for number in range(300)))

    async def act(pilot: Pilot[None]) -> tuple[str, str, str]:
        pane = pilot.app.screen.query_one(LogPane)
        await pilot.press("l", "home")
        await pilot.pause()
        pane.write_lines(["new one"])
        await pilot.pause()
        held = str(screen_text(pilot.app))
        await pilot.press("end")
        await pilot.pause()
        pane.write_lines(["newest"])
        await pilot.pause()
        return held, str(screen_text(pilot.app)), str(len(log_lines(pilot)))

    held, followed, _ = drive(LoratuiApp(run_id=run.id), act)
    assert "line 0\n" in held
    assert "new one" not in held
    assert "newest" in followed


@pytest.mark.parametrize("size", SIZES)
def test_the_chart_is_zoomed_and_read_at_the_cursor(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    run = make_run(*training(200))
    alive(run)

    async def act(pilot: Pilot[None]) -> list[str]:
        seen = []
        for keys in (["c"], ["home"], ["plus"], ["right"] * 3, ["g"], ["m"], ["0"], ["c"]):
            await pilot.press(*keys)
            await pilot.pause()
            seen.append(str(screen_text(pilot.app)))
        return seen

    last, first, zoomed, _, log, rate, whole, panel = drive(LoratuiApp(run_id=run.id), act, size)
    assert "step 200: 0." in last
    assert "epoch 10: mean 0.4" in last
    assert "step 1: 0.9" in first
    assert "zoomed to 1-100" in zoomed
    assert "log scale" in log
    assert "rate unet   step" in rate
    assert ": 0.0001" in rate
    assert "zoomed" not in whole
    assert "step 200: 0." not in panel
    assert "S stop" in panel


def test_the_cursor_takes_a_zoomed_window_along(make_run: Any, training: Any, alive: Any, drive: Any) -> None:
    run = make_run(*training(200))
    alive(run)

    async def act(pilot: Pilot[None]) -> Look:
        await pilot.press("c", "home", "plus", "plus", "end")
        await pilot.pause()
        return pilot.app.screen.query_one(CurveChart).look

    look = drive(LoratuiApp(run_id=run.id), act)
    assert look.cursor == 200
    assert look.window == (151, 200)


@pytest.mark.parametrize("size", SIZES)
def test_samples_are_listed_shown_and_put_on_a_sheet(
    make_run: Any, training: Any, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    samples = [Sample(f"samples/{step}-{n}.png", step, f"prompt {n}") for step in (100, 200) for n in (1, 2)]
    run = make_run(*training(200), *samples)
    for sample in samples:
        Image.new("RGB", (64, 64), "orange").save(run.folder / sample.path)
    (run.folder / samples[0].path).unlink()

    async def act(pilot: Pilot[None]) -> list[str]:
        await pilot.press("i")
        await pilot.pause()
        assert isinstance(pilot.app.screen, SamplesScreen)
        seen = [str(screen_text(pilot.app))]
        for keys in (["enter"], ["down", "down"], ["s"]):
            await pilot.press(*keys)
            await pilot.app.workers.wait_for_complete()
            await pilot.pause()
            seen.append(str(screen_text(pilot.app)))
        return seen

    listed, shown, gone, sheet = drive(LoratuiApp(run_id=run.id), act, size)
    rows = [row.strip("> ").split() for row in listed.split("\n") if "prompt" in row and "step" in row]
    assert rows[:2] == [["step", "200", "prompt", "1"], ["step", "200", "prompt", "2"]]
    assert "▀" not in listed
    assert "▀▀▀▀" in shown
    assert "64 x 64 pixels" in shown
    assert "not there any more" in gone
    assert "Contact sheet" in sheet
    assert (run.samples / "sheet.png").is_file()


def test_notes_are_kept_on_leaving(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    run = make_run(*training(30))
    alive(run)

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("n", *"epoch 6 is best", "escape")
        await pilot.pause()
        await pilot.press("n", *"!", "escape")
        await pilot.pause()
        return str(screen_text(pilot.app))

    panel = drive(LoratuiApp(run_id=run.id), act)
    assert read_notes(run) == "epoch 6 is best!\n"
    assert "RUNNING" in panel


def test_on_a_slow_link_the_panel_looks_every_five_seconds(
    make_run: Any, training: Any, alive: Any, add: Any, drive: Any, screen_text: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("LORATUI_SLOW", "1")
    happened = training(60)
    run = make_run(*happened[:22])
    alive(run)

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        add(run, happened[22:], first=23)
        await asyncio.sleep(1.2)
        before = str(screen_text(pilot.app))
        await pilot.press("c", "c")  # a key is answered at once
        pilot.app.screen._look()  # type: ignore[attr-defined]
        await pilot.pause()
        return before, str(screen_text(pilot.app))

    before, after = drive(LoratuiApp(run_id=run.id), act)
    assert "step 20/200" in before
    assert "step 60/200" in after


def test_w_and_d_ask_the_builtin_trainer_and_say_when_that_cannot_be(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    run = make_run(*training(30))
    alive(run)

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("w", "d")
        await pilot.pause()
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(run_id=run.id), act)
    assert "asked: it saves after this step" in text
    assert sorted(path.name for path in run.asked.iterdir()) == ["sample", "save"]


def test_sd_scripts_cannot_be_asked(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any, home: Any
) -> None:
    run = make_run(*training(30))
    file = layout.read_run_file(run)
    assert file is not None
    run.run_file.write_bytes(msgspec.json.encode(msgspec.structs.replace(file, engine="kohya")))
    alive(run)

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("w")
        await pilot.pause()
        return str(screen_text(pilot.app))

    assert "by its own plan only" in drive(LoratuiApp(run_id=run.id), act).replace("\n ", " ")


def test_the_end_of_a_run_that_is_watched_calls_the_person_back(
    make_run: Any, training: Any, alive: Any, add: Any, drive: Any, monkeypatch: Any
) -> None:
    rung: list[str] = []
    monkeypatch.setattr("loratui.tui.training.screen.call_back", lambda app, words: rung.append(words))
    run = make_run(*training(200))
    alive(run)

    async def act(pilot: Pilot[None]) -> None:
        add(run, [StateChanged("finished")], first=300)
        for _ in range(2):
            pilot.app.screen._look()  # type: ignore[attr-defined]
            await pilot.pause()

    drive(LoratuiApp(run_id=run.id), act)
    assert len(rung) == 1
    assert "Finished: 200 steps" in rung[0]
    drive(LoratuiApp(run_id=run.id), act)  # one that had ended before says nothing
    assert len(rung) == 1
