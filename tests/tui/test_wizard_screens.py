"""The wizard by keys alone."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from loratui import demo
from loratui.problems import Problem, UserError
from loratui.recipe import Dataset, Recipe, Steps, change, loads
from loratui.runs import store
from loratui.tui.app import LoratuiApp, start_run
from loratui.tui.training.screen import TrainingScreen
from loratui.tui.widgets.field import Field
from loratui.tui.wizard.drafts import draft
from loratui.tui.wizard.screen import WizardScreen
from tests.support.fields import overwrite
from tests.support.still import settle, until

SIZES = [(80, 24), (100, 30), (140, 45)]
QUESTIONS = (
    "Which model do",
    "Where are the pictures",
    "What shall it learn",
    "Which word shall",
    "How long",
    "[ Enter: Start",
)


class Started:
    """Takes the place of the launcher: remembers what it was asked to start."""

    def __init__(self, make_run: Callable[..., store.Run]) -> None:
        self.recipes: list[tuple[Recipe, int | None]] = []
        self.threads: list[str] = []
        self._make_run = make_run

    def __call__(self, recipe: Recipe, total_steps: int | None) -> store.Run:
        self.recipes.append((recipe, total_steps))
        self.threads.append(threading.current_thread().name)
        return self._make_run(recipe=recipe)


@pytest.fixture
def started(make_run: Callable[..., store.Run]) -> Started:
    return Started(make_run)


def wizard(pilot: Pilot[None]) -> WizardScreen:
    screen = pilot.app.screen
    assert isinstance(screen, WizardScreen)
    return screen


def field(pilot: Pilot[None], key: str) -> Field:
    return pilot.app.screen.query_one("#" + key.replace(".", "-").replace("_", "-"), Field)


async def reach(pilot: Pilot[None], step: int) -> None:
    """By Enter alone; the trigger is passed over where every caption says it, and found by going back."""
    while wizard(pilot).step < step:
        before = wizard(pilot).step
        await pilot.press("enter")
        await settle(pilot)
        assert wizard(pilot).step > before
    if wizard(pilot).step > step:
        await pilot.press("escape")
        await settle(pilot)
    assert wizard(pilot).step == step


async def replace(pilot: Pilot[None], key: str, text: str) -> None:
    """Go to a field and type over what stands in it, once nothing moves the cursor any more."""
    await settle(pilot)
    field(pilot, key).enter()
    await pilot.pause()
    await overwrite(pilot, text)


@pytest.mark.parametrize("size", SIZES)
def test_enter_alone_asks_each_question_and_starts_the_recipe_as_it_was_given(
    demo_recipe: Recipe, started: Started, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    async def act(pilot: Pilot[None]) -> tuple[list[list[str]], str]:
        asked = []
        for step in range(1, 7):
            await settle(pilot)
            await reach(pilot, step)
            text = screen_text(pilot.app)
            asked.append([question for question in QUESTIONS if question in text])
        await pilot.press("enter")
        await settle(pilot)
        return asked, type(pilot.app.screen).__name__

    asked, last = drive(LoratuiApp(demo_recipe, start=started), act, size)
    assert asked == [[question] for question in QUESTIONS]
    assert last == TrainingScreen.__name__
    assert started.recipes == [(demo_recipe, 200)]
    assert started.threads != [threading.main_thread().name]


WRONG = [
    (1, "base.model", "", ("safetensors",)),
    (1, "base.model", "/nowhere/pony.safetensors", ("/nowhere/pony.safetensors", "no such model")),
    (1, "base.model", "/tmp/old.ckpt", ("pickled",)),
    (1, "base.model", "~no-such-user/pony.safetensors", ("no such model",)),
    (1, "base.model", "a/ " * 3000, ("no path is so long", "ctrl+u")),
    (2, "dataset.folder", "", ("10_name",)),
    (2, "dataset.folder", "/nowhere/pictures", ("/nowhere/pictures", "no such folder")),
    (2, "dataset.folder", "~no-such-user", ("no such folder",)),
    (2, "dataset.regularization", "/nowhere/others", ("/nowhere/others", "no such folder")),
    (5, "steps.epochs", "ten", ("'ten'", "whole number")),
    (5, "steps.epochs", "0", ("0",)),
    (5, "steps.batch_size", "-1", ("-1",)),
    (5, "steps.batch_size", "9" * 30, ("whole number",)),
    (5, "output.save_every_epochs", "often", ("'often'", "whole number")),
]


def test_wrong_input_gets_one_sentence_below_its_field_and_stops_enter(
    demo_recipe: Recipe, started: Started, drive: Any
) -> None:
    async def act(pilot: Pilot[None]) -> None:
        for step, key, typed, words in WRONG:
            await reach(pilot, step)
            right = field(pilot, key).text
            await replace(pilot, key, typed)
            await pilot.press("enter")
            await settle(pilot)
            shown = field(pilot, key)
            assert wizard(pilot).step == step, typed
            assert shown.note.startswith("x ") and "\n" not in shown.note
            for word in words:
                assert word in shown.note
            assert shown.text == typed and shown.has_focus_within
            assert shown.size.height <= 6
            await replace(pilot, key, right)

    drive(LoratuiApp(demo_recipe, start=started), act, (80, 24))
    assert started.recipes == []


def test_going_back_keeps_what_was_typed_even_when_it_is_wrong(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[str, str, str]:
        await reach(pilot, 5)
        await replace(pilot, "steps.batch_size", "2")
        await replace(pilot, "steps.epochs", "many")
        await pilot.press("escape")
        await settle(pilot)
        assert wizard(pilot).step == 4
        await reach(pilot, 5)
        kept = field(pilot, "steps.epochs").text, field(pilot, "steps.batch_size").text
        await pilot.press("enter")
        await settle(pilot)
        return *kept, field(pilot, "steps.epochs").note

    epochs, batch, note = drive(LoratuiApp(demo_recipe), act, (80, 24))
    assert (epochs, batch) == ("many", "2")
    assert "'many'" in note


def test_the_steps_follow_the_batch_size_at_once(demo_recipe: Recipe, drive: Any, screen_text: Any) -> None:
    async def act(pilot: Pilot[None]) -> str:
        await reach(pilot, 5)
        await replace(pilot, "steps.batch_size", "2")
        await pilot.pause()
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(demo_recipe), act)
    assert "400 steps exactly" in text
    assert "seen 100 times" in text


def test_a_wrong_number_is_counted_with_nothing_and_an_absurd_one_is_asked_about(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    async def act(pilot: Pilot[None]) -> tuple[str, str, int]:
        await settle(pilot)
        await replace(pilot, "steps.epochs", "1e9")
        wrong = str(screen_text(pilot.app))
        await replace(pilot, "steps.epochs", "1000000000")
        await pilot.press("enter")
        await settle(pilot)
        asked = str(screen_text(pilot.app))
        await pilot.press("ctrl+y")
        await settle(pilot)
        return wrong, asked, wizard(pilot).step

    first = LoratuiApp(first=lambda: WizardScreen(demo_recipe, start_run, step=5))
    wrong, asked, step = drive(first, act)
    assert "steps exactly" not in wrong
    assert "20,000,000,000 steps take days on any GPU" in asked and "ctrl+y" in asked
    assert step == 6


def test_digits_jump_outside_of_text_and_are_text_inside(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[int, int, str]:
        await reach(pilot, 6)
        await pilot.press("3")
        jumped = wizard(pilot).step
        await pilot.press("5")
        field(pilot, "steps.epochs").enter()
        await pilot.press("end", "2")
        return jumped, wizard(pilot).step, field(pilot, "steps.epochs").text

    assert drive(LoratuiApp(demo_recipe), act) == (3, 5, "102")


def test_steps_ahead_of_a_wrong_one_cannot_be_jumped_to(home: Path, drive: Any, screen_text: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[int, str]:
        await settle(pilot)
        await replace(pilot, "base.model", "/nowhere.safetensors")
        await settle(pilot)
        await pilot.press("tab", "5")
        await pilot.pause()
        return wizard(pilot).step, str(screen_text(pilot.app))

    step, text = drive(LoratuiApp(), act)
    assert step == 1 and "First finish step 1." in text


def burst(pilot: Pilot[None], *keys: str) -> None:
    """Keys in one packet, as a slow line delivers them: none waits for what the one before has done."""
    names = {"/": "slash", ".": "full_stop", "_": "underscore", "-": "minus"}
    for key in keys:
        pilot.app.post_message(events.Key(names.get(key, key), key if len(key) == 1 else None))


def test_enter_in_one_packet_with_a_text_acts_on_the_text(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[int, str]:
        await settle(pilot)
        await replace(pilot, "base.model", "")
        burst(pilot, *"nowhere.safetensors", "enter")
        await until(pilot, lambda: field(pilot, "base.model").note.startswith("x nowhere"))
        await settle(pilot)
        return wizard(pilot).step, field(pilot, "base.model").note

    step, note = drive(LoratuiApp(demo_recipe), act)
    assert step == 1 and "nowhere.safetensors" in note


def test_enter_in_one_packet_with_a_choice_acts_on_the_choice(demo_recipe: Recipe, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[int, str | None]:
        await reach(pilot, 3)
        burst(pilot, "home", "down", "enter")
        await until(pilot, lambda: wizard(pilot).step > 3)
        return wizard(pilot).step, wizard(pilot).state.recipe.dataset.purpose

    step, purpose = drive(LoratuiApp(demo_recipe), act)
    assert step > 3 and purpose == "style"


def test_enter_before_a_model_is_proposed_waits_for_it(
    home: Path, demo_recipe: Recipe, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loratui.tui.wizard.panes import offers

    gate, real = threading.Event(), offers.offers

    def slow() -> Any:
        gate.wait(10)
        return real()

    monkeypatch.setattr(offers, "offers", slow)

    async def act(pilot: Pilot[None]) -> tuple[int, int, str]:
        await pilot.press("enter")
        await pilot.pause()
        before = wizard(pilot).step
        gate.set()
        await until(pilot, lambda: wizard(pilot).step == 2)
        return before, wizard(pilot).step, wizard(pilot).state.recipe.base.model

    before, after, model = drive(LoratuiApp(Recipe(steps=Steps(epochs=10))), act)
    assert (before, after) == (1, 2) and model


def test_what_is_typed_before_models_are_found_is_left_alone(
    home: Path, demo_recipe: Recipe, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loratui.tui.wizard.panes import offers

    gate, real = threading.Event(), offers.offers

    def slow() -> Any:
        gate.wait(10)
        return real()

    monkeypatch.setattr(offers, "offers", slow)

    async def act(pilot: Pilot[None]) -> tuple[str, bool]:
        await pilot.press("x", "backspace")
        gate.set()
        await settle(pilot)
        shown = field(pilot, "base.model")
        return shown.text, shown.has_focus_within

    assert drive(LoratuiApp(Recipe(steps=Steps(epochs=10))), act) == ("", True)


def test_enter_pressed_too_early_goes_on_by_itself(
    demo_recipe: Recipe, drive: Any, screen_text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loratui.tui.wizard.answers import facts

    gate, real = threading.Event(), facts.read_dataset

    def slow(*arguments: Any) -> Any:
        gate.wait(10)
        return real(*arguments)

    monkeypatch.setattr(facts, "read_dataset", slow)

    async def act(pilot: Pilot[None]) -> tuple[int, int]:
        await pilot.press("enter")
        await until(pilot, lambda: wizard(pilot).step == 2)
        await pilot.press("enter")
        await until(pilot, lambda: "One moment" in screen_text(pilot.app))
        before = wizard(pilot).step
        gate.set()
        await until(pilot, lambda: wizard(pilot).step != 2)
        return before, wizard(pilot).step

    assert drive(LoratuiApp(demo_recipe), act) == (2, 3)


def test_a_refused_start_is_one_sentence_and_the_wizard_stays(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    def refuse(recipe: Recipe, total_steps: int | None) -> store.Run:
        raise UserError("", Problem("output.folder", "the disk is [red]full[/red].", "Free some space."))

    async def act(pilot: Pilot[None]) -> tuple[str, int]:
        await reach(pilot, 6)
        await pilot.press("enter")
        await settle(pilot)
        return str(screen_text(pilot.app)), wizard(pilot).step

    text, step = drive(LoratuiApp(demo_recipe, start=refuse), act)
    assert "x The disk is [red]full[/red]. Free some space." in text
    assert step == 6


def test_the_draft_outlives_the_screens_and_is_offered_again(
    demo_recipe: Recipe, started: Started, drive: Any, screen_text: Any
) -> None:
    async def change_it(pilot: Pilot[None]) -> None:
        await reach(pilot, 5)
        await replace(pilot, "steps.epochs", "7")
        await pilot.pause(0.5)

    async def look(pilot: Pilot[None]) -> tuple[str, int | None]:
        await settle(pilot)
        return str(screen_text(pilot.app)), wizard(pilot).state.recipe.steps.epochs

    drive(LoratuiApp(demo_recipe), change_it)
    assert draft.path().stat().st_mode & 0o777 == 0o600
    assert loads(draft.path().read_text()).steps.epochs == 7
    text, epochs = drive(LoratuiApp(), look)
    assert epochs == 7
    assert "unfinished run" in text

    async def start(pilot: Pilot[None]) -> None:
        await reach(pilot, 6)
        await pilot.press("enter")
        await settle(pilot)

    drive(LoratuiApp(start=started), start)
    assert started.recipes[0][0].steps.epochs == 7
    assert draft.load() is None


def test_leaving_says_when_nothing_could_be_kept(
    demo_recipe: Recipe, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORATUI_HOME", "/dev/null/home")

    async def act(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("ctrl+c")

    app = LoratuiApp(demo_recipe)
    drive(app, act)
    assert "could not be kept" in app.farewell and "/dev/null/home/draft.toml" in app.farewell


def test_a_damaged_draft_is_no_hindrance(home: Path, drive: Any, screen_text: Any) -> None:
    draft.path().write_text("[base\nmodel = ")

    async def act(pilot: Pilot[None]) -> str:
        return str(screen_text(pilot.app))

    assert "Which model" in drive(LoratuiApp(), act)


def test_a_folder_alone_gets_numbers_that_fit_its_pictures(
    demo_recipe: Recipe, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``loratui DIR``: only the folder is decided; the model typed fits the rest."""
    monkeypatch.chdir(demo.folder())
    bare = Recipe(dataset=Dataset(folder=demo_recipe.dataset.folder), steps=Steps(epochs=10))

    async def act(pilot: Pilot[None]) -> Recipe:
        await settle(pilot)
        await replace(pilot, "base.model", "model")
        await settle(pilot)
        await reach(pilot, 6)
        return wizard(pilot).state.recipe

    recipe = drive(LoratuiApp(bare), act)
    assert recipe.base.family == "sd15"
    assert recipe.training.resolution == (512, 512)
    assert (recipe.network.rank, recipe.network.alpha) == (16, 8)
    assert recipe.steps.epochs == 10  # eight pictures, ten times an epoch: each is seen a hundred times
    assert recipe.output.name == "pictures"


def test_hostile_names_are_shown_as_they_are(
    demo_recipe: Recipe, tmp_path: Path, drive: Any, screen_text: Any
) -> None:
    folder = tmp_path / "[red]x" / "3_a"
    folder.mkdir(parents=True)
    picture = next((Path(demo_recipe.dataset.folder)).rglob("*.png"))
    (folder / "a.png").write_bytes(picture.read_bytes())
    (folder / "bad\x1b[31m[bold]\n.PnG").write_bytes(b"no picture")
    recipe = change(demo_recipe, {"dataset.folder": str(folder.parent), "dataset.trigger": "[b]\u202eohwx"})

    async def act(pilot: Pilot[None]) -> str:
        await reach(pilot, 2)
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(recipe), act, (140, 45))
    assert "[red]x" in text
    assert "bad[bold]" in text
    assert "\x1b" not in text


def test_help_explains_the_focused_field(demo_recipe: Recipe, drive: Any, screen_text: Any) -> None:
    async def act(pilot: Pilot[None]) -> tuple[str, str, int]:
        await reach(pilot, 5)
        field(pilot, "steps.epochs").enter()
        await pilot.press("?")
        await pilot.pause(0.1)
        first = str(screen_text(pilot.app))
        await pilot.press("escape")
        await pilot.press("shift+tab", "?")
        await pilot.pause()
        second = str(screen_text(pilot.app))
        await pilot.press("escape")
        return first, second, wizard(pilot).step

    first, second, step = drive(LoratuiApp(demo_recipe), act)
    assert "How often the whole set is shown" in first
    assert "Worked out backwards" in second
    assert step == 5


def test_config_preview_is_what_the_engine_will_get(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    async def act(pilot: Pilot[None]) -> str:
        await reach(pilot, 6)
        await pilot.press("c")
        await pilot.pause()
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(demo_recipe), act, (140, 45))
    assert "network_dim = 16" in text
    assert demo.folder().name in text


@pytest.mark.parametrize("size", SIZES)
def test_a_plain_folder_is_arranged_by_one_key_and_left_as_it_is(
    demo_recipe: Recipe, drive: Any, tmp_path: Path, size: tuple[int, int]
) -> None:
    plain = tmp_path / "plain"
    (Path(demo_recipe.dataset.folder) / "10_ohwx").rename(plain)
    before = sorted(path.name for path in plain.iterdir())
    recipe = change(demo_recipe, {"dataset.folder": str(plain)})

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        note = field(pilot, "dataset.folder").note
        await pilot.press("enter")
        await settle(pilot)
        assert wizard(pilot).step == 3
        return note, wizard(pilot).state.recipe.dataset.folder

    note, folder = drive(LoratuiApp(recipe), act, size)
    assert "Enter makes one out of links" in note
    assert Path(folder) != plain
    assert sorted(path.name for path in (Path(folder) / "1_ohwx").iterdir()) == before
    assert sorted(path.name for path in plain.iterdir()) == before


def test_a_long_training_does_not_save_every_epoch(demo_recipe: Recipe, drive: Any) -> None:
    recipe = Recipe(dataset=Dataset(folder=demo_recipe.dataset.folder), steps=Steps(epochs=10))

    async def act(pilot: Pilot[None]) -> list[tuple[int | None, int]]:
        await replace(pilot, "base.model", demo_recipe.base.model)
        await settle(pilot)
        await reach(pilot, 5)
        seen = []
        for epochs in ("100", "8"):
            await replace(pilot, "steps.epochs", epochs)
            await settle(pilot)
            decided = wizard(pilot).state.recipe
            seen.append((decided.steps.epochs, decided.output.save_every_epochs))
        return seen

    assert drive(LoratuiApp(recipe), act) == [(100, 10), (8, 1)]


def test_an_engine_set_up_meanwhile_is_noticed_by_the_next_enter(
    home: Path,
    demo_recipe: Recipe,
    started: Started,
    drive: Any,
    screen_text: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LORATUI_KOHYA", raising=False)
    monkeypatch.setenv("LORATUI_KOHYA_PYTHON", sys.executable)
    recipe = change(demo_recipe, {"launch.engine": "kohya"})

    async def act(pilot: Pilot[None]) -> str:
        for _ in range(5):
            await settle(pilot)
            await pilot.press("enter")
        await settle(pilot)
        refused: str = screen_text(pilot.app)
        checkout = home / "sd-scripts"
        checkout.mkdir()
        (checkout / "train_network.py").touch()
        await pilot.press("enter")
        await settle(pilot)
        return refused

    assert "loratui setup kohya" in drive(LoratuiApp(recipe, start=started), act, (100, 30))
    assert [given.launch.engine for given, _ in started.recipes] == ["kohya"]
