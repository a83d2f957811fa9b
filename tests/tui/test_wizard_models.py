"""The first page: models of the catalogue beside those on the disk, and fetching one by a key."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual import events
from textual.pilot import Pilot

from loratui import places
from loratui.models import catalog, fetching
from loratui.models.fetching import Progress
from loratui.recipe import Recipe
from loratui.tui.app import LoratuiApp
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.rows import RowList
from loratui.tui.wizard.answers import model_facts
from loratui.tui.wizard.panes import offers
from loratui.tui.wizard.screen import WizardScreen
from tests.support.fields import overwrite
from tests.support.hub_models import serving_models
from tests.support.still import settle, until
from tests.tui.conftest import make_model

SIZES = [(80, 24), (100, 30), (140, 45)]


@pytest.mark.parametrize("size", SIZES)
def test_the_catalogue_is_offered_walked_and_fetched_by_keys(
    home: Path,
    tmp_path: Path,
    drive: Any,
    screen_text: Any,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    begun: list[str] = []

    def start(name: str) -> None:
        begun.append(name)
        places.models_folder().mkdir(parents=True, exist_ok=True)
        progress = Progress("fetching", os.getpid(), "x", 10**9, 4 * 10**9, 1e8)
        fetching.status_file(name).write_bytes(msgspec.json.encode(progress))

    monkeypatch.setattr(fetching, "start", start)

    async def act(pilot: Pilot[None]) -> tuple[tuple[str, ...], str, str, str]:
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, WizardScreen)
        rows = screen.query_one(RowList)
        names = [entry.name for entry in catalog.catalogue().values()]
        await pilot.press("home", *["down"] * names.index("pony"))
        await settle(pilot)
        chosen = screen.query_one("#base-model", Field).text
        before = str(screen_text(pilot.app))
        await pilot.press("d")
        await settle(pilot)
        return rows.rows, chosen, before, str(screen_text(pilot.app))

    rows, chosen, before, after = drive(LoratuiApp(), act, size)
    assert len(rows) == len(catalog.catalogue())
    assert chosen == "pony"
    assert "Stable Diffusion XL" in before
    assert "d download" in before
    assert begun == ["pony"]
    assert "25 % fetched" in after
    assert "1.00 of 4.00 GB" in after


def test_a_lookup_that_ends_does_not_put_the_cursor_back(home: Path, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[int, str]:
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, WizardScreen)
        await pilot.press("home")
        await settle(pilot)
        rows = screen.query_one(RowList)
        rows.action_move(1)
        screen.pane.show_facts()  # before the page has heard of the move
        at = rows.cursor
        await settle(pilot)
        return at, screen.query_one("#base-model", Field).text

    names = [entry.name for entry in catalog.catalogue().values()]
    assert drive(LoratuiApp(), act) == (1, names[1])


def test_a_name_on_the_hub_is_understood_and_its_absence_said(
    demo_recipe: Recipe, tmp_path: Path, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(model_facts, "_PAUSE", 0)

    async def act(pilot: Pilot[None]) -> list[str]:
        await settle(pilot)
        field = pilot.app.screen.query_one("#base-model", Field)
        notes = []
        for typed in ("org/tiny", "org/none", "ponny", "https://civitai.com/models/1?modelVersionId=29"):
            field.enter()
            await overwrite(pilot, typed)
            await pilot.press("enter")
            await settle(pilot)
            notes.append(field.note)
            await pilot.press("escape")
            await settle(pilot)
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        field.enter()
        await overwrite(pilot, "org/other")
        await pilot.press("enter")
        await settle(pilot)
        return [*notes, field.note]

    with serving_models() as hub:
        hub.repos["org/tiny"] = make_model(tmp_path / "repo")
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        there, missing, misspelt, address, offline = drive(LoratuiApp(demo_recipe), act)
    assert there.endswith("Stable Diffusion 1.x; on the hub: 0.00 GB, fetched when training starts")
    assert "the hub shows no such model" in missing
    assert "Did you mean 'pony'?" in misspelt
    assert "loratui download civitai:29" in address
    assert "HF_HUB_OFFLINE keeps the hub from being asked" in offline


def test_a_path_goes_to_the_field_also_from_the_list(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> list[tuple[str, bool]]:
        await settle(pilot)
        rows, field = pilot.app.screen.query_one(RowList), pilot.app.screen.query_one("#base-model", Field)
        seen = []
        assert rows.has_focus
        rows.post_message(events.Paste("/nowhere/pasted.safetensors\n"))
        await settle(pilot)
        seen.append((field.text, field.has_focus_within))
        rows.focus()
        await pilot.press("~", "/", "x")
        await settle(pilot)
        seen.append((field.text, field.has_focus_within))
        return seen

    pasted, typed = drive(LoratuiApp(demo_recipe), act)
    assert pasted == ("/nowhere/pasted.safetensors", True)
    assert typed == ("~/x", True)


def test_the_list_is_cut_to_the_room_there_is_also_where_it_came_while_another_step_was_shown(
    demo_recipe: Recipe, drive: Any, screen_text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, real = threading.Event(), offers.offers

    def slow() -> Any:
        gate.wait(20)
        return real()

    monkeypatch.setattr(offers, "offers", slow)

    async def act(pilot: Pilot[None]) -> str:
        screen = pilot.app.screen
        assert isinstance(screen, WizardScreen)
        await until(pilot, screen._is_known)
        await pilot.press("enter")
        await until(pilot, lambda: screen.step == 2)
        gate.set()
        await settle(pilot)
        await pilot.press("escape")
        await settle(pilot)
        return str(screen_text(pilot.app))

    back = drive(LoratuiApp(demo_recipe), act, (80, 24))
    assert "Stable Diffusion XL 1.0 " in back
