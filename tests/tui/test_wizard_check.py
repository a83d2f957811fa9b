"""The Dataset step: what the check says beside the folder."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.dataset import dataset_config, history, mended_config
from loratui.dataset.pictures import probing
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe, change
from loratui.tui.app import LoratuiApp, start_run
from loratui.tui.help import TextScreen
from loratui.tui.widgets.field import Field
from loratui.tui.wizard.answers.facts import read_dataset
from loratui.tui.wizard.drafts import draft
from loratui.tui.wizard.panes import arranging
from loratui.tui.wizard.screen import WizardScreen
from loratui.tui.wizard.steps import REVIEW
from tests.support.fields import overwrite
from tests.support.still import settle, until


def step(pilot: Pilot[None]) -> int:
    screen = pilot.app.screen
    assert isinstance(screen, WizardScreen)
    return screen.step


@pytest.mark.parametrize("size", [(80, 24), (100, 30), (140, 45)])
def test_the_check_speaks_beside_the_folder(
    demo_recipe: Recipe, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    folder = Path(demo_recipe.dataset.folder) / "10_ohwx"
    first = min(folder.glob("*.png"))
    first.write_bytes(b"")

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert step(pilot) == 2
        shown = screen_text(pilot.app)
        await pilot.press("ctrl+o")
        await settle(pilot)
        assert isinstance(pilot.app.screen, TextScreen)
        return shown, screen_text(pilot.app)

    shown, page = drive(LoratuiApp(demo_recipe), act, size)
    assert "Not ready: 1 error" in shown
    assert "x broken: 1 picture" in shown and "enough pictures" in shown
    assert "The check" in page and "x broken: 1 picture" in page


def test_a_file_of_datasets_is_checked_and_counted(
    demo_recipe: Recipe, tmp_path: Path, drive: Any, screen_text: Any
) -> None:
    folder = Path(demo_recipe.dataset.folder) / "10_ohwx"
    subset = f'[[datasets.subsets]]\nimage_dir = "{folder}"\n'
    named = tmp_path / "sets.toml"
    named.write_text(f"[[datasets]]\nresolution = 64\n{subset}[[datasets]]\nresolution = 128\n{subset}")

    async def act(pilot: Pilot[None]) -> tuple[str, int, object]:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        pilot.app.screen.query_one("#dataset-folder", Field).enter()
        await overwrite(pilot, str(named))
        await settle(pilot)
        shown = screen_text(pilot.app)
        await pilot.press("enter")
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, WizardScreen)
        return shown, screen.step, screen.state.recipe.kohya.get("dataset_config")

    shown, at, said = drive(LoratuiApp(demo_recipe), act, (80, 24))
    assert "pictures in 2 datasets" in shown and "Ready to train" in shown
    assert at > 2 and said == str(named)


def test_folders_of_a_file_are_mended_one_by_one(
    demo_recipe: Recipe, tmp_path: Path, drive: Any, screen_text: Any
) -> None:
    """The file stays; a copy of it, which names the mended folder, is trained on."""
    folder = Path(demo_recipe.dataset.folder) / "10_ohwx"
    min(folder.glob("*.png")).write_bytes(b"")
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    named = tmp_path / "sets.toml"
    subsets = "".join(f'[[datasets.subsets]]\nimage_dir = "{one}"\n' for one in (other, folder))
    named.write_text(f"[[datasets]]\nresolution = 64\n{subsets}")
    before = named.read_bytes()

    async def act(pilot: Pilot[None]) -> tuple[str, Any]:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        pilot.app.screen.query_one("#dataset-folder", Field).enter()
        await overwrite(pilot, str(named))
        await settle(pilot)
        await pilot.press("ctrl+t")
        await settle(pilot)
        asked = screen_text(pilot.app)
        await pilot.press("down", "enter")
        await settle(pilot)
        for key in ("f", "enter", "enter", "escape", "escape"):
            await pilot.press(key)
            await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, WizardScreen)
        return asked, screen.state.recipe.kohya["dataset_config"]

    asked, copy = drive(LoratuiApp(demo_recipe), act)
    assert "Which folder shall be mended?" in asked
    assert copy != str(named) and named.read_bytes() == before
    mended = history.current(folder.parent)
    assert mended != folder.parent
    assert list(dataset_config.folders(Path(copy))) == [other, mended / folder.name]
    assert mended_config.sources(Path(copy)) == [other, folder.parent]
    assert mended_config.on_current_steps(Path(copy)) == Path(copy)


def test_errors_stop_enter_until_they_are_mended_or_waved_through(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    folder = Path(demo_recipe.dataset.folder) / "10_ohwx"
    min(folder.glob("*.png")).write_bytes(b"")

    async def act(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("enter", "enter", "enter")
        await settle(pilot)
        assert step(pilot) == 2
        text = screen_text(pilot.app)
        assert "Not ready, 1 error" in text and "ctrl+t, then f mends it" in " ".join(text.split())
        await pilot.press("ctrl+t", "f")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("escape")
        await settle(pilot)
        await pilot.press("escape")
        await settle(pilot)
        assert "Ready to train" in screen_text(pilot.app)
        await pilot.press("enter")
        await settle(pilot)
        assert step(pilot) == 3

    drive(LoratuiApp(demo_recipe), act, (80, 24))
    draft.discard()
    min(history.current(folder.parent).glob("*/*.txt")).write_bytes(b"")

    async def wave(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert step(pilot) == 2
        await pilot.press("ctrl+y")
        await settle(pilot)
        assert step(pilot) == 3

    drive(LoratuiApp(demo_recipe), wave)


def test_an_error_found_after_going_on_is_said_before_the_start(
    demo_recipe: Recipe, drive: Any, screen_text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pictures are decoded while a person goes on; what that finds is not lost."""
    first = min((Path(demo_recipe.dataset.folder) / "10_ohwx").glob("*.png"))
    first.write_bytes(first.read_bytes()[:-40])
    gate = threading.Event()
    real = probing.probe

    def slow(*arguments: Any, **named: Any) -> Any:
        gate.wait(20)
        return real(*arguments, **named)

    monkeypatch.setattr("loratui.dataset.checking.checks.probe", slow)
    begun: list[Recipe] = []

    def start(recipe: Recipe, _: int | None) -> Any:
        begun.append(recipe)
        raise UserError("", Problem("", "begun"))

    async def act(pilot: Pilot[None]) -> None:
        while (before := step(pilot)) < REVIEW:
            await pilot.press("enter")
            await until(pilot, lambda: step(pilot) > before)
        assert step(pilot) == REVIEW and not begun
        gate.set()
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert "Step 2: Not ready, 1 error" in screen_text(pilot.app) and not begun
        await pilot.press("ctrl+y")
        await settle(pilot)
        assert len(begun) == 1

    drive(LoratuiApp(demo_recipe, start=start), act)


def test_a_leaf_folder_and_an_archive_are_taken_by_one_key(
    demo_recipe: Recipe, tmp_path: Path, drive: Any
) -> None:
    root = Path(demo_recipe.dataset.folder)
    packed = shutil.make_archive(str(tmp_path / "set"), "zip", root)

    def open_on(folder: str) -> str:
        async def act(pilot: Pilot[None]) -> str:
            await settle(pilot)
            await pilot.press("enter")
            await settle(pilot)
            await pilot.press("ctrl+l")
            await settle(pilot)
            screen = pilot.app.screen
            assert isinstance(screen, WizardScreen)
            return screen.state.recipe.dataset.folder

        return str(drive(LoratuiApp(change(demo_recipe, {"dataset.folder": folder})), act))

    assert open_on(str(root / "10_ohwx")) == str(root)
    unpacked = Path(open_on(packed))
    assert sorted(path.name for path in (unpacked / "10_ohwx").iterdir()) == sorted(
        path.name for path in (root / "10_ohwx").iterdir()
    )


def test_enter_twice_on_a_plain_folder_makes_the_links_once(
    demo_recipe: Recipe, tmp_path: Path, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, made, real = threading.Event(), list[str](), arranging.arrange_links

    def slow(folder: str, words: str) -> Any:
        made.append(folder)
        gate.wait(20)
        return real(folder, words)

    monkeypatch.setattr("loratui.tui.wizard.panes.dataset.arrange_links", slow)
    plain = tmp_path / "plain"
    (Path(demo_recipe.dataset.folder) / "10_ohwx").rename(plain)
    recipe = change(demo_recipe, {"dataset.folder": str(plain)})

    async def act(pilot: Pilot[None]) -> None:
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: made)
        note = pilot.app.screen.query_one("#dataset-folder", Field).note
        assert note.startswith("making the links")
        await pilot.press("enter")
        gate.set()
        await settle(pilot)
        assert step(pilot) == 3

    drive(LoratuiApp(recipe), act)
    assert made == [str(plain)]


def test_another_folder_leaves_nothing_of_the_check_before(
    demo_recipe: Recipe, tmp_path: Path, drive: Any, screen_text: Any
) -> None:
    """Also when a line below grows or goes, and the page is laid out anew."""
    nested = tmp_path / "nested" / "a" / "b"
    nested.mkdir(parents=True)
    picture = next(Path(demo_recipe.dataset.folder).rglob("*.png"))
    (nested / "a.png").write_bytes(picture.read_bytes())

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("enter")
        await settle(pilot)
        assert "enough pictures" in screen_text(pilot.app)
        pilot.app.screen.query_one("#dataset-folder", Field).enter()
        await overwrite(pilot, str(tmp_path / "nested"))
        await pilot.press("enter")
        await settle(pilot)
        await pilot.resize_terminal(90, 26)
        await settle(pilot)
        return str(screen_text(pilot.app))

    text = " ".join(drive(LoratuiApp(demo_recipe), act, (80, 24)).split())
    assert "enough pictures" not in text
    assert "the pictures lie in a/b" in text.lower() and "ctrl+t, then n" in text


def test_pictures_that_links_would_leave_out_are_named(demo_recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    (tmp_path / "b.gif").touch()
    found = read_dataset(str(tmp_path), None, ".txt")
    assert isinstance(found, Problem)
    assert found.message.startswith("1 picture lies") and "passes over b.gif: ctrl+t, then f" in found.message


def test_the_trigger_word_goes_into_the_captions_that_lack_it(
    demo_recipe: Recipe, drive: Any, screen_text: Any
) -> None:
    folder = Path(demo_recipe.dataset.folder)
    first, second = sorted((folder / "10_ohwx").glob("*.txt"))[:2]
    first.write_text("a cat")
    second.unlink()

    async def act(pilot: Pilot[None]) -> list[str]:
        await settle(pilot)
        seen = [" ".join(str(screen_text(pilot.app)).split())]
        for key in ("ctrl+t", "enter", "escape"):
            await pilot.press(key)
            await settle(pilot)
            seen.append(" ".join(str(screen_text(pilot.app)).split()))
        return seen

    at_trigger = LoratuiApp(first=lambda: WizardScreen(demo_recipe, start_run, step=4))
    asked, preview, made, back = drive(at_trigger, act, (80, 24))
    assert "not in 1 of 8 captions" in asked and "ctrl+t puts it in front" in asked
    assert "ohwx, a cat" in preview and "make the step" in preview
    assert "Step 1 counts now" in made
    assert "all 8 captions say it" in back
    assert first.read_text() == "a cat" and not second.exists()
    mended = history.current(folder) / "10_ohwx"
    assert (mended / first.name).read_text() == "ohwx, a cat" and (mended / second.name).read_text() == "ohwx"
