"""The panel shows what a run's files say, and asks for nothing unless told to."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui import demo
from loratui.events import Checkpoint, Hint, Message, Phase, Sample, StateChanged
from loratui.recipe import change
from loratui.runs import layout, store
from loratui.runs.view import RunView
from loratui.tui.app import LoratuiApp
from loratui.tui.runs.screen import RunsScreen
from loratui.tui.training import words
from loratui.tui.training.log_pane import LogPane
from loratui.tui.training.screen import TrainingScreen
from loratui.tui.wizard.screen import WizardScreen
from loratui.tui.wizard.steps import REVIEW

SIZES = [(80, 24), (100, 30), (140, 45)]
FINAL = Checkpoint("checkpoints/demo.safetensors", 200, 10, final=True)


async def look(pilot: Pilot[None]) -> None:
    """As the timer does."""
    screen = pilot.app.screen
    assert isinstance(screen, TrainingScreen)
    screen._look()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_a_running_run_shows_step_loss_and_that_it_goes_on(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    run = make_run(*training(124))
    alive(run)
    run.output.write_text("".join(f"line {number} of the log\n" for number in range(40)))

    async def act(pilot: Pilot[None]) -> str:
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(run_id=run.id), act, size)
    lines = text.split("\n")
    assert len(lines) == size[1]
    assert "RUNNING  step 124/200" in lines[0]
    assert "62%" in lines[0]
    assert "4.00 it/s" in lines[0]
    assert "19 s left" in lines[0]
    assert "epoch 7/10" in text
    assert "loss 0.5" in text
    assert any(0x2801 <= ord(character) <= 0x28FF for character in text)
    assert "line 39 of the log" in text
    assert "Training goes on if this window closes" in text
    assert "stay noise" in text
    assert "GPU" in text
    assert lines[-1].startswith(" q leave")
    assert ("IF YOU SEE" in text) == (size[1] >= 30)


@pytest.mark.parametrize("size", SIZES)
def test_a_finished_run_says_so_and_where_the_file_is(
    make_run: Any, training: Any, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    run = make_run(*training(200), FINAL, StateChanged("finished"))

    async def act(pilot: Pilot[None]) -> str:
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(run_id=run.id), act, size)
    assert "FINISHED  step 200/200" in text
    assert "Finished: 200 steps; loss 0.8" in text
    assert str(run.folder / FINAL.path) in text.replace("\n ", "")
    assert "ohwx" in text
    assert "r again" in text


def test_the_panel_follows_the_files_as_they_grow(
    make_run: Any, training: Any, alive: Any, add: Any, drive: Any, screen_text: Any
) -> None:
    happened = training(60)
    run = make_run(*happened[:22])
    alive(run)

    async def act(pilot: Pilot[None]) -> list[str]:
        seen = [str(screen_text(pilot.app))]
        add(run, happened[22:], first=23)
        run.output.write_text("a new line\n")
        await look(pilot)
        seen.append(str(screen_text(pilot.app)))
        add(run, [Phase("sampling"), Sample("samples/a.png", 60), FINAL, StateChanged("finished")], first=63)
        await look(pilot)
        return [*seen, str(screen_text(pilot.app))]

    first, then, last = drive(LoratuiApp(run_id=run.id), act)
    assert "step 20/200" in first
    assert "step 60/200" in then
    assert "a new line" in then
    assert "FINISHED" in last


def test_loading_is_told_before_the_first_step(
    make_run: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    run = make_run(StateChanged("running"), Phase("caching", "latents", 12, 80))
    alive(run)

    async def act(pilot: Pilot[None]) -> str:
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(run_id=run.id), act)
    assert "encoding the pictures 12/80  █" in text and "15%" in text
    assert "no loss yet" in text


def test_a_lost_run_says_what_happened_and_which_key_resumes(
    make_run: Any, training: Any, drive: Any, screen_text: Any
) -> None:
    from loratui.events import StateSaved

    run = make_run(*training(88), StateSaved("checkpoints/demo-state", 80))
    (run.checkpoints / "demo-state").mkdir()
    (run.checkpoints / "demo-state" / "state.json").write_text("{}")
    status = layout.read_status(run)
    assert status is not None
    # A supervisor that was, and no lock
    from loratui.runs.process import ProcessIdentity

    gone = ProcessIdentity(pid=2**22 + 1, ticks=1, boot_id="an earlier one")
    layout.write_status(run, layout.Status("running", supervisor=gone, step=88, total_steps=200))

    async def act(pilot: Pilot[None]) -> str:
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(run_id=run.id), act)
    assert "LOST  step 88/200" in text
    assert "restarted, or it was killed" in text.replace("\n ", " ")
    assert "r resumes" in text
    assert "r resume" in text.split("\n")[-1]


def test_recognised_hints_come_first_and_are_marked(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    line = "[red]ModuleNotFoundError[/red]\x1b[31m: No module named 'lion_pytorch'"
    run = make_run(*training(10), Hint("mod_lion", "fatal", line))
    alive(run)

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        table = str(screen_text(pilot.app))
        await pilot.press("h")
        await pilot.pause()
        return table, str(screen_text(pilot.app))

    table, page = drive(LoratuiApp(run_id=run.id), act)
    rows = table[table.index("IF YOU SEE") :].split("\n")
    assert rows[1].strip().startswith("! lion_pytorch is not installed")
    assert sum(row.lstrip().startswith("!") for row in rows[1:6]) == 1
    assert "[red]ModuleNotFoundError[/red]: No module named" in page
    assert "\x1b" not in page
    assert "pip install lion-pytorch" in page


def test_hostile_text_is_text(make_run: Any, alive: Any, drive: Any, screen_text: Any) -> None:
    recipe = change(demo.recipe(), {"output.name": "[bold red]evil[/]", "base.model": "/m/x.safetensors"})
    message = Message("warning", "look: [link=x]here[/link]\x1b]0;title\x07\nnext")
    run = make_run(StateChanged("running"), Phase("model", "[blink]\x1b[2Jx"), message, recipe=recipe)
    alive(run)
    run.output.write_bytes(b"[red]log[/red] \x1b[31mcoloured\x1b[0m \xff\xfe\n")

    async def act(pilot: Pilot[None]) -> str:
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(run_id=run.id), act, (140, 45))
    for shown in ("[bold red]evil[/]", "[link=x]here[/link] next", "[blink]x", "[red]log[/red] coloured"):
        assert shown in text
    assert "\x1b" not in text
    assert "noise" not in text


def test_nothing_is_painted_while_nothing_changes(
    make_run: Any, training: Any, alive: Any, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(*training(30), Phase("training"))
    alive(run)
    run.output.write_text("line\n" * 20)

    async def act(pilot: Pilot[None]) -> int:
        await pilot.app.workers.wait_for_complete()
        await asyncio.sleep(0.3)
        painted: list[object] = []
        display = LoratuiApp._display

        def count(app: LoratuiApp, screen: Any, update: Any) -> None:
            painted.append(update)
            display(app, screen, update)

        monkeypatch.setattr(LoratuiApp, "_display", count)
        for _ in range(4):
            await look(pilot)
        await asyncio.sleep(0.7)
        return sum(update is not None for update in painted)

    assert drive(LoratuiApp(run_id=run.id), act) == 0


def test_stop_asks_first_and_enter_stops(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    run = make_run(*training(30))
    alive(run)

    async def act(pilot: Pilot[None]) -> tuple[str, list[str], list[str]]:
        await pilot.press("S")
        await pilot.pause()
        question = str(screen_text(pilot.app))
        await pilot.press("escape")
        await pilot.pause()
        kept = layout.take_requests(run)
        await pilot.press("S", "enter")
        await pilot.pause()
        return question, kept, layout.take_requests(run)

    question, kept, stopped = drive(LoratuiApp(run_id=run.id), act)
    assert "saves the LoRA" in question
    assert kept == []
    assert stopped == ["stop"]


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
def test_leaving_touches_nothing(make_run: Any, training: Any, alive: Any, drive: Any, key: str) -> None:
    run = make_run(*training(30))
    alive(run)
    app = LoratuiApp(run_id=run.id)

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press(key)
        await pilot.pause()

    before = sorted((path.name, path.stat().st_mtime_ns) for path in run.folder.rglob("*"))
    drive(app, act)
    assert sorted((path.name, path.stat().st_mtime_ns) for path in run.folder.rglob("*")) == before
    assert "goes on at step 30" in app.farewell


def test_log_and_chart_take_the_whole_screen_and_give_it_back(
    make_run: Any, training: Any, alive: Any, drive: Any
) -> None:
    run = make_run(*training(30))
    alive(run)
    run.output.write_text("line\n" * 100)

    async def act(pilot: Pilot[None]) -> list[tuple[int, int]]:
        seen = []
        for keys in ([], ["l"], ["escape"], ["c"], ["c"]):
            await pilot.press(*keys)
            await pilot.pause()
            seen.append(
                (
                    pilot.app.screen.query_one(LogPane).size.height,
                    pilot.app.screen.query_one("#chart").size.height,
                )
            )
        return seen

    panel, log, back, chart, again = drive(LoratuiApp(run_id=run.id), act, (80, 24))
    assert panel == back == again
    assert panel[0] == 6
    assert panel[1] >= 10
    assert log[0] > 15
    assert chart[1] > 15


def test_r_opens_the_recipe_of_a_finished_run_at_review(
    make_run: Any, training: Any, drive: Any, demo_recipe: Any
) -> None:
    run = make_run(*training(200), FINAL, StateChanged("finished"), recipe=demo_recipe)

    async def act(pilot: Pilot[None]) -> tuple[int, Any]:
        await pilot.press("r")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        screen = pilot.app.screen
        assert isinstance(screen, WizardScreen)
        return screen.step, screen.state.recipe

    assert drive(LoratuiApp(run_id=run.id), act) == (REVIEW, demo_recipe)


def test_the_list_of_runs_opens_follows_and_starts_anew(
    make_run: Any, training: Any, drive: Any, screen_text: Any, home: Path
) -> None:
    make_run(*training(200), FINAL, StateChanged("finished"))
    failed = change(demo.recipe(), {"output.name": "[red]oops"})
    make_run(*training(12), StateChanged("failed", "It ran out of memory."), recipe=failed)

    async def act(pilot: Pilot[None]) -> list[str]:
        assert isinstance(pilot.app.screen, RunsScreen)
        seen = [str(screen_text(pilot.app))]
        await pilot.press("down", "enter")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        await pilot.press("escape")
        await pilot.pause()
        seen.append(type(pilot.app.screen).__name__)
        await pilot.press("n")
        await pilot.pause()
        return [*seen, type(pilot.app.screen).__name__]

    text, panel, back, new = drive(LoratuiApp(), act, (80, 24))
    rows = text.split("\n")
    assert "x FAILED" in text
    assert "[red]oops" in text
    assert "200/200" in text
    assert "It ran out of memory." in text
    assert len(rows) == 24
    assert {panel[:80].split()[1], panel[:80].split()[0]} & {"FINISHED", "FAILED"}
    assert (back, new) == ("RunsScreen", "WizardScreen")


def test_the_only_running_run_opens_by_itself(make_run: Any, training: Any, alive: Any, drive: Any) -> None:
    make_run(*training(200), FINAL, StateChanged("finished"))
    running = make_run(*training(30))
    alive(running)

    async def act(pilot: Pilot[None]) -> store.Run:
        assert isinstance(pilot.app.screen, TrainingScreen)
        return pilot.app.screen.run_shown

    assert drive(LoratuiApp(), act).id == running.id


def test_a_run_that_says_nothing_has_no_speed_and_no_time_left() -> None:
    view = RunView(
        state="running", phase=Phase("training"), step=30, total_steps=200, seconds_per_step=0.2,
        stepped_at=1000.0, seconds_left=33.0,
    )  # fmt: skip
    assert [words.silence(view, 1000.0 + later) for later in (5, 19, 27, 75, 640, -9)] == [
        0,
        0,
        20,
        60,
        600,
        0,
    ]
    assert "no step for 1 min" in str(words.head(view, 78, 60)) and "left" not in str(
        words.head(view, 78, 60)
    )
    assert "33 s left" in str(words.head(view, 78))
    assert words.silence(replace(view, phase=Phase("sampling")), 1100.0) == 0
    assert words.silence(replace(view, seconds_per_step=20.0), 1100.0) == 0  # five steps: nothing unusual


def test_an_ended_run_opened_from_the_list_shows_its_troubles_at_once(
    make_run: Any, training: Any, drive: Any, screen_text: Any
) -> None:
    hint = Hint("oom_cuda", "fatal", "torch.OutOfMemoryError: CUDA out of memory.")
    make_run(*training(30), hint, StateChanged("failed", "The GPU ran out of memory."))

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("enter")
        await pilot.pause()
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(), act, (100, 30))
    assert "FAILED" in text and "IF YOU SEE" in text
