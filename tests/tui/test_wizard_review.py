"""Review by keys alone: every value with its reason, edited where it stands; from an empty home."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.events import Checkpoint, StateChanged
from loratui.recipe import Dataset, Recipe, Steps, change, flatten, loads
from loratui.tui.app import LoratuiApp, start_run
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.rows import RowList
from loratui.tui.wizard.answers.settings import all_settings
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.drafts import draft
from loratui.tui.wizard.panes.meanings import MEANINGS
from loratui.tui.wizard.panes.review import ReviewPane
from loratui.tui.wizard.panes.typed_value import take
from loratui.tui.wizard.screen import WizardScreen
from loratui.tui.wizard.steps import REVIEW
from tests.support.fields import overwrite
from tests.support.still import settle

SIZES = [(80, 24), (100, 30), (140, 45)]
FINAL = Checkpoint("/nowhere/hero.safetensors", 200, final=True)


def wizard(pilot: Pilot[None]) -> WizardScreen:
    screen = pilot.app.screen
    assert isinstance(screen, WizardScreen)
    return screen


def bare(recipe: Recipe) -> Recipe:
    """What ``loratui DIR`` opens with."""
    return Recipe(dataset=Dataset(folder=recipe.dataset.folder), steps=Steps(epochs=10))


def at_review(recipe: Recipe) -> LoratuiApp:
    """A recipe that is whole, on the last page."""
    return LoratuiApp(first=lambda: WizardScreen(recipe, start_run, step=REVIEW))


async def to_review(pilot: Pilot[None]) -> int:
    """Enter until Review is there. Returns how often it took."""
    await settle(pilot)
    for presses in range(1, 8):
        await pilot.press("enter")
        await settle(pilot)
        if wizard(pilot).step == REVIEW:
            return presses
    raise AssertionError("Review was not reached")


async def choose(pilot: Pilot[None], key: str) -> None:
    """Walk to a setting with the arrow keys."""
    pane = wizard(pilot).pane
    assert isinstance(pane, ReviewPane)
    rows = pane.query_one(RowList)
    keys = [one.key for one in pane._shown]
    place = keys.index(key)
    from_end = len(keys) - 1 - place
    await pilot.press(*["home", *["down"] * place] if place <= from_end else ["end", *["up"] * from_end])
    assert rows.cursor == place


async def edit(pilot: Pilot[None], key: str, text: str) -> None:
    await choose(pilot, key)
    await pilot.press("e")
    await pilot.pause()
    await pilot.press("end", "ctrl+u", *text, "enter")
    await settle(pilot)


@pytest.mark.parametrize("size", SIZES)
def test_from_an_empty_home_five_enters_reach_review(
    demo_recipe: Recipe,
    tmp_path: Path,
    drive: Any,
    screen_text: Any,
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A plain folder and no model: the catalogue's is proposed, the folder arranged, the rest derived."""
    plain = tmp_path / "hero"
    (Path(demo_recipe.dataset.folder) / "10_ohwx").rename(plain)
    for caption in plain.glob("*.txt"):
        caption.write_text(f"drawing of a {caption.stem}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    recipe = change(bare(demo_recipe), {"dataset.folder": str(plain)})

    async def act(pilot: Pilot[None]) -> tuple[int, str, Recipe]:
        presses = await to_review(pilot)
        return presses, str(screen_text(pilot.app)), wizard(pilot).state.recipe

    presses, text, decided = drive(LoratuiApp(recipe), act, size)
    assert presses == 5
    assert decided.base.model in ("sd15", "sdxl")
    assert (decided.dataset.trigger, decided.output.name) == ("ohwx", "hero")
    assert decided.kohya["caption_prefix"] == "ohwx,"
    assert "is not on this disk yet" in text
    assert "d: Download the model first" in text and "Enter: Start" not in text
    assert "d download" in text


def test_every_setting_can_be_walked_to_and_says_why(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[int, dict[str, str]]:
        await settle(pilot)
        pane = wizard(pilot).pane
        assert isinstance(pane, ReviewPane)
        seen = {}
        for one in pane._shown:
            seen[one.key] = str(pane.query_one("#why").text)  # type: ignore[attr-defined]
            await pilot.press("down")
        return len(all_settings(wizard(pilot).state)), seen

    count, seen = drive(at_review(demo_recipe), act, SIZES[0])
    assert len(seen) == count + 2  # with preset and price
    assert all(seen.values())
    assert [key for key, words in seen.items() if "handed to the trainer" in words] == []
    assert [key for key, words in seen.items() if len(wrap(words, 74)) > 3] == []
    assert "8 to" in seen["network.rank"] or "Usual" in seen["network.rank"]


def test_a_value_is_edited_in_place_and_wrong_ones_get_one_line(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[str, str, int, Recipe, bool]:
        await settle(pilot)
        await edit(pilot, "network.rank", "many")
        note = pilot.app.screen.query_one(".editor", Field).note
        keys = pilot.app.screen.query_one(KeyBar).render().plain
        before = wizard(pilot).state.recipe.network.rank
        await pilot.press("end", "ctrl+u", *"24", "enter")
        await settle(pilot)
        keys += pilot.app.screen.query_one(KeyBar).render().plain.replace("enter take it", "never")
        return note, keys, before, wizard(pilot).state.recipe, wizard(pilot).step == REVIEW

    note, keys, before, recipe, still = drive(at_review(demo_recipe), act, (80, 24))
    assert keys.startswith(" enter take it  esc leave it") and " enter start  w queue" in keys
    assert "never" not in keys
    assert note == "x 'many' is not a whole number, for example 10."
    assert before == 16
    assert recipe.network.rank == 24
    assert still


WRONG = {"whole": "1.5x", "number": "fast", "flag": "perhaps", "size": "wide"}


def test_every_setting_refuses_every_wrong_type(demo_recipe: Recipe) -> None:
    state, told = WizardState(demo_recipe), []
    for one in all_settings(state):
        wrong = "neither of these" if one.choices else WRONG.get(one.kind, "")
        if wrong:
            problem = take(state, one.key, wrong)
            told.append((one.key, str(problem.message) if problem else ""))
    assert state.recipe == demo_recipe and not state.typed
    assert len(told) > 30
    assert [key for key, message in told if not message] == []
    assert all("\n" not in message for _, message in told)


def test_escape_leaves_an_edit_and_only_then_the_step(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[int, int, int]:
        await settle(pilot)
        await choose(pilot, "network.rank")
        await pilot.press("e", "9", "escape")
        await settle(pilot)
        first, rank = wizard(pilot).step, wizard(pilot).state.recipe.network.rank
        await pilot.press("escape")
        await settle(pilot)
        return first, rank, wizard(pilot).step

    assert drive(at_review(demo_recipe), act) == (REVIEW, 16, REVIEW - 1)


def test_a_contradiction_is_named_and_mended_by_one_key(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    async def act(pilot: Pilot[None]) -> tuple[str, Recipe]:
        await settle(pilot)
        await edit(pilot, "optimizer.unet_rate", "0.5")
        text = str(screen_text(pilot.app))
        await pilot.press("f")
        await settle(pilot)
        return text, wizard(pilot).state.recipe

    text, recipe = drive(at_review(demo_recipe), act, (140, 45))
    assert "runs away" in text
    assert "f mends" in text
    assert recipe.optimizer.unet_rate < 0.01


def test_a_setting_is_found_by_letters_of_its_name(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[list[str], str, int]:
        await settle(pilot)
        pane = wizard(pilot).pane
        assert isinstance(pane, ReviewPane)
        rows, seen = pane.query_one(RowList), []
        for words in ("ran", "gradient", "qqq"):
            await pilot.press("slash", *words)
            await settle(pilot)
            note = pane.query_one(".editor", Field).note
            await pilot.press("escape" if words == "gradient" else "enter")
            await settle(pilot)
            seen.append(pane._shown[rows.cursor].key)
        await pilot.press("slash", *"ran", "enter", "e", "end", "ctrl+u", *"24", "enter")
        await settle(pilot)
        return seen, note, wizard(pilot).state.recipe.network.rank

    seen, note, rank = drive(at_review(demo_recipe), act, (80, 24))
    assert seen == ["network.rank", "training.gradient_checkpointing", "training.gradient_checkpointing"]
    assert "no setting is called so" in note
    assert rank == 24


def test_a_copy_of_a_run_shows_only_what_differs(
    demo_recipe: Recipe, make_run: Any, training: Any, drive: Any, screen_text: Any
) -> None:
    make_run(*training(200), FINAL, StateChanged("finished"), recipe=demo_recipe)

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        await pilot.press("e")
        await settle(pilot)
        first = str(screen_text(pilot.app))
        await pilot.press("t")
        await edit(pilot, "network.rank", "24")
        await pilot.press("t")
        await settle(pilot)
        return first, str(screen_text(pilot.app))

    first, then = drive(LoratuiApp(), act)
    assert "more settings, as in" in first
    assert "Optimizer" not in first
    assert "16 -> 24" in then


def test_a_lost_connection_returns_to_the_same_step_with_the_same_decisions(
    demo_recipe: Recipe, drive: Any
) -> None:
    async def leave(pilot: Pilot[None]) -> None:
        await to_review(pilot)
        await edit(pilot, "network.rank", "24")
        await pilot.pause(0.4)

    async def back(pilot: Pilot[None]) -> tuple[int, int, bool, bool]:
        await settle(pilot)
        state = wizard(pilot).state
        decided = "network.rank" in state.decided, "optimizer.unet_rate" in state.decided
        return wizard(pilot).step, state.recipe.network.rank, *decided

    recipe = change(bare(demo_recipe), {"base.model": ""})

    async def with_model(pilot: Pilot[None]) -> None:
        await settle(pilot)
        field = pilot.app.screen.query_one("#base-model", Field)
        field.enter()
        await overwrite(pilot, demo_recipe.base.model)
        await leave(pilot)

    drive(LoratuiApp(recipe), with_model)
    assert loads(draft.path().read_text()).network.rank == 24
    assert drive(LoratuiApp(), back) == (REVIEW, 24, True, False)


def test_the_price_is_entered_once(demo_recipe: Recipe, home: Path, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> str:
        await settle(pilot)
        await edit(pilot, "price", "cheap")
        note = pilot.app.screen.query_one(".editor", Field).note
        await pilot.press("end", "ctrl+u", *"0.69", "enter")
        await settle(pilot)
        return note

    assert "no price per hour" in drive(at_review(demo_recipe), act)
    assert (home / "price_per_hour").read_text() == "0.69\n"


def test_the_command_and_config_are_shown_and_copied(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        await settle(pilot)
        await pilot.press("y")
        copied = pilot.app.clipboard
        await pilot.press("c")
        await pilot.pause()
        return copied, str(screen_text(pilot.app))

    copied, text = drive(at_review(demo_recipe), act, (140, 45))
    assert copied == f"loratui train {draft.path()}"
    assert copied in text
    assert "pretrained_model_name_or_path" in text
    assert flatten(loads(draft.path().read_text()))["network.rank"] == 16


def test_every_setting_has_a_label_and_a_meaning_that_fit() -> None:
    settings = all_settings(WizardState())
    assert [one.key for one in settings if one.label == one.key.partition(".")[2]] == []
    assert all(len(one.label) < 20 for one in settings)
    assert [key for key in MEANINGS if key not in flatten(Recipe())] == []
    assert [key for key, words in MEANINGS.items() if len(wrap(words, 74)) > 3] == []
