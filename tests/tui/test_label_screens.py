"""The screens that caption a set, with the tiny tagger of the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.app import App
from textual.pilot import Pilot

from loratui.dataset import history
from loratui.tui.dataset.labels import TagScreen, VariantsScreen
from tests.support.still import settle
from tests.support.taggers import make_tagger


@pytest.fixture
def root(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "set" / "10_x"
    folder.mkdir(parents=True)
    for name, colour in (("red", (250, 0, 0)), ("blue", (0, 0, 250))):
        Image.new("RGB", (64, 64), colour).save(folder / f"{name}.png")
    make_tagger(home / "models" / "tiny")
    return tmp_path / "set"


@pytest.mark.parametrize("size", [(80, 24), (140, 45)])
def test_tags_are_shown_made_and_taken_back(
    root: Path, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    async def act(pilot: Pilot[None]) -> str:
        await pilot.app.push_screen(TagScreen(root))
        await settle(pilot)
        await pilot.press("+", "+")
        await settle(pilot)
        shown = str(screen_text(pilot.app))
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        return shown

    shown = drive(App(), act, size)
    assert "2 captions by tiny" in shown and "Threshold 0.45" in shown and "red queen" in shown
    assert "red queen" in (history.current(root) / "10_x" / "red.txt").read_text()
    history.undo(root)
    assert not (root / "10_x" / "red.txt").exists()


def test_three_captions_by_keys(root: Path, drive: Any) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await pilot.app.push_screen(VariantsScreen(root))
        await settle(pilot)
        for key in ("s", "enter", "enter"):
            await pilot.press(key)
            await settle(pilot)

    drive(App(), act)
    assert sorted(path.name for path in history.current(root).iterdir() if path.is_dir()) == [
        "10_empty",
        "10_kosmos",
        "10_wd",
    ]
