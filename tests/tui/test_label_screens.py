"""The screens that caption a set, with the tiny tagger of the tests."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.app import App
from textual.pilot import Pilot

from loratui.dataset import history
from loratui.dataset.mending import sentences
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.tagging import content_key
from loratui.dataset.pictures.probe_cache import cache_folder
from loratui.tui.dataset.labels import SentenceScreen, TagScreen, VariantsScreen
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


def test_sentences_of_a_visit_cut_short_are_shown_made_and_taken_back(
    root: Path, drive: Any, screen_text: Any
) -> None:
    """What Kosmos-2 said of both pictures is kept from an earlier visit: no model is asked."""
    (root / "10_x" / "blue.txt").write_text("a caption of my own\n")
    entries = read_entries(history.begin(root))
    said = {"red": "A red [bold]square[/bold].", "blue": "A blue square."}
    name = hashlib.sha256(sentences.DEFAULT_MODEL.encode()).hexdigest()[:16]
    kept = cache_folder() / f"sentences-{name}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    lines = [[content_key(entries, entry), said[Path(entry.name).stem]] for entry in entries.all]
    kept.write_text("".join(json.dumps(line) + "\n" for line in lines) + '["cut sho')

    async def act(pilot: Pilot[None]) -> list[str]:
        await pilot.app.push_screen(SentenceScreen(root))
        seen = []
        for keys in ([], ["m"], ["m"], ["enter"], ["enter"]):
            await pilot.press(*keys)
            await settle(pilot)
            seen.append(str(screen_text(pilot.app)))
        return seen

    missing, replaced, *_ = drive(App(), act, (80, 24))
    assert "1 caption by kosmos-2-patch14-224" in missing and "A red [bold]square[/bold]." in missing
    assert "A blue square." not in missing and "Only pictures without a caption." in missing
    assert "2 captions" in replaced and "A blue square." in replaced and "In place of" in replaced
    made = history.current(root) / "10_x"
    assert (made / "red.txt").read_text() == "A red [bold]square[/bold].\n"
    assert (made / "blue.txt").read_text() == "a caption of my own\n"
    history.undo(root)
    assert not (root / "10_x" / "red.txt").exists()
