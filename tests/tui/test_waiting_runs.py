"""Runs that wait: put in the queue from Review, changed and moved in the list of runs."""

from __future__ import annotations

import os
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui import demo
from loratui.engines.builtin import BuiltinEngine
from loratui.recipe import Recipe, loads
from loratui.runs import store
from loratui.runs.hardware import gpu_locks
from loratui.runs.layout import EDITED
from loratui.runs.queueing import queue, queue_file
from loratui.tui.app import LoratuiApp, start_run
from loratui.tui.wizard.drafts import draft
from loratui.tui.wizard.panes.pane import StepPane
from loratui.tui.wizard.screen import Start, WizardScreen
from loratui.tui.wizard.steps import REVIEW
from tests.support.still import settle


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
def test_a_waiting_run_is_moved_and_held_by_keys(
    home: Any, drive: Any, screen_text: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(queue, "wake", lambda: None)
    first, second = (store.create(demo.recipe(), "builtin", 9, state="queued") for _ in range(2))
    queue_file.change(lambda now: queue.Queue(order=(first.id, second.id)))

    async def act(pilot: Pilot[None]) -> list[str]:
        seen = []
        for key in ("down", "K", "H", "H", "J", "enter"):
            await pilot.press(key)
            await pilot.pause()
            seen.append(str(screen_text(pilot.app)))
        return seen

    start, sooner, held, released, later, panel = drive(LoratuiApp(), act, size)
    assert "QUEUED" in start and "as number 2 of 2" in start
    assert "as number 1 of 2" in sooner
    assert "Held: it is passed over" in held
    assert "Held" not in released
    assert "as number 2 of 2" in later
    assert queue.read() == queue.Queue(order=(first.id, second.id))
    assert "QUEUED  step 0" in panel and "as number 2 of 2" in panel and "its turn comes" in panel


def wizard(pilot: Pilot[None]) -> WizardScreen:
    screen = pilot.app.screen
    assert isinstance(screen, WizardScreen)
    return screen


def at_review(recipe: Recipe, start: Start) -> LoratuiApp:
    return LoratuiApp(start=start, first=lambda: WizardScreen(recipe, start, step=REVIEW))


@pytest.fixture
def willing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The builtin engine takes the header-only model, and nobody works the queue off."""
    monkeypatch.setattr(queue, "wake", lambda: None)
    monkeypatch.setattr(BuiltinEngine, "supports", lambda self, recipe: [])


def test_review_puts_a_run_into_the_queue(
    willing: None, demo_recipe: Recipe, make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    first = make_run(*training(50), recipe=demo_recipe)
    alive(first)

    async def act(pilot: Pilot[None]) -> str:
        await settle(pilot)
        await pilot.press("w")
        await settle(pilot)
        return str(screen_text(pilot.app))

    text = drive(at_review(demo_recipe, start_run), act)
    run = queue.run_of(queue.read().order[0])
    assert store.summary(run).name == "demo-2"
    assert store.summary(run).total_steps
    assert "demo-2: Waits for a GPU as number 1 of 1, after demo (38 s left)." in text
    assert "It is named demo-2: demo is taken." in text
    assert "QUEUED 1" in text and "K sooner" in text
    assert not draft.path().exists()


def test_a_busy_gpu_is_said_and_the_queue_offered(
    willing: None, demo_recipe: Recipe, make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    """Enter on Review starts nothing beside a run of ours; esc, s and Enter do as they say."""
    alive(make_run(*training(50), recipe=demo_recipe))
    held = gpu_locks.hold((0,))
    begun: list[Recipe] = []

    def start(recipe: Recipe, total: int | None) -> store.Run:
        begun.append(recipe)
        return make_run(*training(1))  # type: ignore[no-any-return]

    async def act(pilot: Pilot[None]) -> str:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        said = str(screen_text(pilot.app))
        await pilot.press("escape")
        await settle(pilot)
        assert wizard(pilot).step == REVIEW and not begun and not queue.read().order
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert len(queue.read().order) == 1 and not begun
        pilot.app.show_wizard(demo_recipe, step=REVIEW)  # type: ignore[attr-defined]
        await settle(pilot)
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("s")
        await settle(pilot)
        return said

    said = drive(at_review(demo_recipe, start), act)
    os.close(held[0])
    assert "No GPU is free: demo trains now" in said
    assert "demo   step 50 of 200, 38 s left" in said
    assert len(begun) == 1


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
def test_a_waiting_run_is_changed_in_the_wizard_and_removed(
    willing: None, demo_recipe: Recipe, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    engine = BuiltinEngine()
    first, second = queue.add(demo_recipe, engine), queue.add(demo_recipe, engine)

    async def act(pilot: Pilot[None]) -> list[str]:
        seen = []
        await pilot.press("down", "e")
        await settle(pilot)
        seen.append(str(screen_text(pilot.app)))
        wizard(pilot).state.set("network.rank", 4)
        wizard(pilot).state.set("network.alpha", 2.0)
        wizard(pilot).pane.post_message(StepPane.Changed())
        await settle(pilot)
        await pilot.press("escape")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        await pilot.press("c")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        await pilot.press("escape", "enter")
        await settle(pilot)
        seen.append(str(screen_text(pilot.app)))
        await pilot.press("F")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        await pilot.press("d", "enter", "d", "y")
        await pilot.pause()
        seen.append(str(screen_text(pilot.app)))
        return seen

    opened, warned, command, saved, stops, gone = drive(LoratuiApp(), act, size)
    assert "Enter: Save into the queue" in opened and "demo-2 waits in the queue" in opened.replace("\n ", "")
    assert "Not saved yet" in warned and "16 -> 4" in warned
    assert f"loratui queue edit {second.id}" in command and "network.rank=4" in command
    assert "QUEUED 2" in saved and "demo-2: Waits for a GPU as number 2 of 2, after demo." in saved
    assert "the queue stops (F: go on)" in stops
    assert "demo-2 is out of the queue" in gone
    assert queue.read().order == (first.id,) and queue.read().after_failure == "stop"
    assert not second.folder.exists()
    assert not draft.path().exists()


def test_changes_to_a_waiting_run_outlive_the_terminal(
    willing: None, demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    run = queue.add(demo_recipe, BuiltinEngine())
    kept = run.folder / EDITED

    async def dropped(pilot: Pilot[None]) -> None:
        await pilot.press("e")
        await settle(pilot)
        wizard(pilot).state.set("network.rank", 24)
        wizard(pilot).pane.post_message(StepPane.Changed())
        await pilot.pause(0.5)
        assert kept.stat().st_mode & 0o777 == 0o600

    drive(LoratuiApp(), dropped)  # the screens end without a key
    assert loads(kept.read_text()).network.rank == 24
    assert loads(run.recipe.read_text()).network.rank == 16

    async def taken_back(pilot: Pilot[None]) -> list[str]:
        seen = [str(screen_text(pilot.app))]
        for key in ("e", "ctrl+n"):
            await pilot.press(key)
            await settle(pilot)
            seen.append(str(screen_text(pilot.app)))
        assert not kept.exists()
        return seen

    listed, offered, back = drive(LoratuiApp(), taken_back)
    assert "Changes to it were not saved: e shows them." in listed
    assert "You changed this run and did not save it" in offered and "16 -> 24" in offered
    assert "your changes are taken back" in back and "16 -> 24" not in back

    drive(LoratuiApp(), dropped)

    async def saved(pilot: Pilot[None]) -> None:
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)

    drive(LoratuiApp(), saved)
    assert loads(run.recipe.read_text()).network.rank == 24
    assert not kept.exists()
