"""Drafts that another terminal changes too, and drafts that another recipe is opened over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui import places
from loratui.engines.builtin import BuiltinEngine
from loratui.recipe import Recipe, change, dumps, loads
from loratui.runs.queueing import queue
from loratui.tui.app import LoratuiApp, start_run
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.drafts import draft
from loratui.tui.wizard.drafts.conflict import ElsewhereScreen
from loratui.tui.wizard.panes.pane import StepPane
from loratui.tui.wizard.screen import WizardScreen
from loratui.tui.wizard.steps import REVIEW
from tests.support.still import settle, until


@pytest.fixture(autouse=True)
def willing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The builtin engine takes the header-only model, and nobody works the queue off."""
    monkeypatch.setattr(queue, "wake", lambda: None)
    monkeypatch.setattr(BuiltinEngine, "supports", lambda self, recipe: [])


def wizard(pilot: Pilot[None]) -> WizardScreen:
    screen = pilot.app.screen
    assert isinstance(screen, WizardScreen)
    return screen


def rank(path: Path) -> int:
    return loads(path.read_text()).network.rank


async def choose_rank(pilot: Pilot[None], value: int) -> None:
    wizard(pilot).state.set("network.rank", value)
    wizard(pilot).pane.post_message(StepPane.Changed())
    await settle(pilot)


def other_terminal(recipe: Recipe) -> None:
    draft.save(WizardState(change(recipe, {"network.rank": 24})), REVIEW, REVIEW)


def test_a_draft_that_another_terminal_changed_is_asked_about(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    draft.save(WizardState(demo_recipe), REVIEW, REVIEW)
    begun: list[Recipe] = []
    asks = ElsewhereScreen

    def start(recipe: Recipe, total: int | None) -> Any:
        begun.append(recipe)

    async def act(pilot: Pilot[None]) -> str:
        await settle(pilot)
        other_terminal(demo_recipe)
        await choose_rank(pilot, 20)
        await until(pilot, lambda: isinstance(pilot.app.screen, asks))
        await settle(pilot)
        said = str(screen_text(pilot.app))
        await pilot.press("escape")
        assert "Nothing is written until you choose" in str(screen_text(pilot.app))
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, asks) and not begun and rank(draft.path()) == 24
        await pilot.press("enter")
        await settle(pilot)
        assert rank(draft.path()) == 20 and wizard(pilot).state.recipe.network.rank == 20
        await pilot.press("ctrl+n")  # given up: theirs comes back
        await settle(pilot)
        assert wizard(pilot).state.recipe.network.rank == 24 == rank(draft.path())
        draft.discard()  # started or given up there
        await pilot.press("enter")
        await settle(pilot)
        assert "started as a run there" in str(screen_text(pilot.app)) and not begun
        await pilot.press("t")
        await settle(pilot)
        assert wizard(pilot).step == 1 and not wizard(pilot).state.recipe.dataset.folder
        return said

    said = drive(LoratuiApp(first=lambda: WizardScreen(None, start)), act, (80, 24))
    assert "Another terminal has changed this draft" in said
    assert "network.rank" in said and "24 -> 20" in said


def test_the_other_terminals_draft_is_taken_and_this_one_comes_back(demo_recipe: Recipe, drive: Any) -> None:
    draft.save(WizardState(demo_recipe), REVIEW, REVIEW)

    async def act(pilot: Pilot[None]) -> None:
        await settle(pilot)
        other_terminal(demo_recipe)
        await choose_rank(pilot, 20)
        await until(pilot, lambda: isinstance(pilot.app.screen, ElsewhereScreen))
        await pilot.press("t")
        await settle(pilot)
        assert wizard(pilot).state.recipe.network.rank == 24 == rank(draft.path())
        await pilot.press("ctrl+n")
        await settle(pilot)
        assert wizard(pilot).state.recipe.network.rank == 20 and wizard(pilot).step == REVIEW

    drive(LoratuiApp(first=lambda: WizardScreen(None, start_run)), act)


def test_who_changed_nothing_leaves_what_the_other_terminal_wrote(demo_recipe: Recipe, drive: Any) -> None:
    draft.save(WizardState(demo_recipe), 1, 1)

    async def act(pilot: Pilot[None]) -> None:
        await settle(pilot)
        other_terminal(demo_recipe)
        await pilot.press("ctrl+c")

    drive(LoratuiApp(first=lambda: WizardScreen(None, start_run)), act)
    assert rank(draft.path()) == 24


def test_a_dropped_link_loses_neither_of_two_drafts(demo_recipe: Recipe, drive: Any) -> None:
    draft.save(WizardState(demo_recipe), REVIEW, REVIEW)

    async def act(pilot: Pilot[None]) -> None:
        await settle(pilot)
        other_terminal(demo_recipe)
        await choose_rank(pilot, 20)

    drive(LoratuiApp(first=lambda: WizardScreen(None, start_run)), act)
    assert {rank(draft.path()), rank(places.home() / "drafts" / "1.toml")} == {20, 24}


def test_a_recipe_opened_over_a_draft_does_not_cost_it(
    demo_recipe: Recipe, make_run: Any, training: Any, drive: Any, screen_text: Any
) -> None:
    other_terminal(demo_recipe)
    once_more = WizardScreen(demo_recipe, lambda recipe, total: make_run(*training(1)), step=REVIEW)

    async def looked(pilot: Pilot[None]) -> None:
        await settle(pilot)
        assert rank(draft.path()) == 16
        await pilot.press("q")

    drive(LoratuiApp(first=lambda: WizardScreen(demo_recipe, start_run, step=REVIEW)), looked)
    assert rank(draft.path()) == 24

    async def changed(pilot: Pilot[None]) -> str:
        await settle(pilot)
        await choose_rank(pilot, 20)
        await pilot.press("q")
        return str(screen_text(pilot.app))

    drive(LoratuiApp(first=lambda: WizardScreen(demo_recipe, start_run, step=REVIEW)), changed)
    assert rank(draft.path()) == 20
    draft.discard()

    async def started(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert not isinstance(pilot.app.screen, WizardScreen)

    drive(LoratuiApp(first=lambda: once_more), started)
    assert rank(draft.path()) == 24


def test_a_waiting_run_that_another_terminal_saved_is_asked_about(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    run = queue.add(demo_recipe, BuiltinEngine())

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("e")
        await settle(pilot)
        theirs = change(demo_recipe, {"network.rank": 24})
        queue.change_recipe(run, theirs, BuiltinEngine(), None)
        await choose_rank(pilot, 20)
        await until(pilot, lambda: isinstance(pilot.app.screen, ElsewhereScreen))
        await settle(pilot)
        said = str(screen_text(pilot.app))
        await pilot.press("enter")
        await settle(pilot)
        assert ("network.rank", 24, 20) in wizard(pilot).state.differences()
        return said

    said = drive(LoratuiApp(), act)
    assert "changed this run" in said and "24 -> 20" in said
    assert rank(run.recipe) == 24 and dumps(loads((run.folder / "edited.toml").read_text()))

    async def dropped(pilot: Pilot[None]) -> None:
        await pilot.press("e")
        await settle(pilot)
        queue.change_recipe(run, change(demo_recipe, {"network.rank": 28}), BuiltinEngine(), None)
        draft.discard(run.folder)
        await choose_rank(pilot, 22)
        await until(pilot, lambda: isinstance(pilot.app.screen, ElsewhereScreen))

    drive(LoratuiApp(), dropped)  # the link is gone while it asks
    assert (rank(run.recipe), rank(draft.path())) == (28, 22)
