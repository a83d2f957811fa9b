"""Keys that arrive in one packet are meant one after the other."""

from __future__ import annotations

from typing import Any

import pytest
from textual import events
from textual.keys import _character_to_key
from textual.pilot import Pilot

from loratui.engines.builtin import BuiltinEngine
from loratui.recipe import Recipe
from loratui.tui.app import LoratuiApp
from loratui.tui.wizard.screen import WizardScreen
from loratui.tui.wizard.steps import REVIEW
from tests.support.still import settle


async def burst(pilot: Pilot[None], *keys: str) -> None:
    """All of them before anything is done about the first."""
    for key in keys:
        name = _character_to_key(key) if len(key) == 1 else key
        pilot.app.post_message(events.Key(name, key if len(key) == 1 else None))
    for _ in range(len(keys)):
        await settle(pilot)


@pytest.fixture
def willing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BuiltinEngine, "supports", lambda self, recipe: [])


def test_a_setting_is_found_changed_and_started_in_one_packet(
    willing: None, demo_recipe: Recipe, make_run: Any, drive: Any
) -> None:
    begun: list[Recipe] = []

    def start(recipe: Recipe, total: int | None) -> Any:
        begun.append(recipe)
        return make_run()

    async def act(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await burst(pilot, "/", *"rank", "enter", "e", "ctrl+u", *"24", "enter")
        screen = pilot.app.screen
        assert isinstance(screen, WizardScreen) and not begun
        assert screen.state.recipe.network.rank == 24
        await burst(pilot, "enter")

    drive(LoratuiApp(start=start, first=lambda: WizardScreen(demo_recipe, start, step=REVIEW)), act)
    assert [recipe.network.rank for recipe in begun] == [24]


def test_what_is_typed_behind_the_key_that_opens_a_question_is_its_answer(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    async def act(pilot: Pilot[None]) -> str:
        await settle(pilot)
        await burst(pilot, "enter", "ctrl+t", "t")
        await burst(pilot, "a", *"quick", "enter")
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(demo_recipe), act)
    assert "'quick' added" in text and "make the step" in text
