"""The screens that mend a dataset: keys in, steps out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.pilot import Pilot

from loratui.dataset import history
from loratui.dataset.checking.checklist import checklist
from loratui.dataset.checking.checks import check
from loratui.tui.app import LoratuiApp
from loratui.tui.dataset.menu import MendMenu
from loratui.tui.wizard.panes import doubt
from tests.support.still import settle

Text = Callable[[LoratuiApp], str]


@pytest.fixture
def hero(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "hero" / "10_ohwx"
    folder.mkdir(parents=True)
    for number in range(3):
        Image.effect_noise((96, 96), 80).convert("RGB").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"smile, tag{number}")
    (folder / "twin.png").write_bytes((folder / "0.png").read_bytes())
    return folder.parent


@pytest.fixture
def app(hero: Path) -> LoratuiApp:
    return LoratuiApp(first=lambda: MendMenu(hero))


async def press(pilot: Pilot[None], *keys: str) -> None:
    """Keys one by one; letters of a text between them all at once."""
    for key in keys:
        await pilot.press(*(key[1:] if key.startswith("=") else [key]))
        await settle(pilot)


def captions(folder: Path) -> dict[str, str]:
    return {path.stem: path.read_text() for path in sorted(history.current(folder).rglob("*.txt"))}


def test_duplicates_are_left_out_and_brought_back(
    app: LoratuiApp, hero: Path, drive: Callable[..., Any], screen_text: Text
) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await press(pilot, "d")
        text = screen_text(app)
        assert "90 % alike: 1 group, 2 pictures, 1 to leave out" in text
        assert "[keep] 10_ohwx/0.png" in text and "[drop] 10_ohwx/twin.png" in text
        await press(pilot, "minus", "minus")
        assert "[70] %" in screen_text(app) and "look at each" in screen_text(app)
        await press(pilot, "down", "down", "space")
        assert "0 to leave out" in screen_text(app)
        await press(pilot, "enter")
        assert "Nothing to do" in screen_text(app)
        await press(pilot, "space", "enter")
        assert "1 duplicate left out of 1 group" in screen_text(app)
        await press(pilot, "escape")
        assert history.find(hero).number == 0
        await press(pilot, "enter", "enter")
        assert "Step 1 counts now. u takes it back." in screen_text(app)
        assert "no picture is twice in here" in screen_text(app)
        assert not (history.current(hero) / "10_ohwx" / "twin.png").exists()
        await press(pilot, "u")
        assert history.current(hero) == hero and "[drop]" in screen_text(app)
        await press(pilot, "v")
        assert "\u2580" in screen_text(app)

    drive(app, act, size=(80, 24))


def test_tags_are_filtered_and_changed(
    app: LoratuiApp, hero: Path, drive: Callable[..., Any], screen_text: Text
) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await press(pilot, "t")
        assert "4 pictures of 4, 4 tags" in screen_text(app)
        await press(pilot, "slash", "=tag:tag1 OR")
        assert "x column 12: something is missing" in screen_text(app)
        await press(pilot, "enter", "a")
        assert "The filter cannot be read" in screen_text(app)
        await press(pilot, "slash", "end")
        await press(pilot, "= tag:tag2", "enter")
        assert "2 pictures of 4" in screen_text(app)
        await press(pilot, "a", "=ohwx", "enter")
        assert "+ ohwx, smile, tag1" in screen_text(app)
        await press(pilot, "enter")
        assert captions(hero) == {"0": "smile, tag0", "1": "ohwx, smile, tag1", "2": "ohwx, smile, tag2"}
        await press(pilot, "c", "t", "=zz", "enter", "enter")
        # A picture without a caption gets one.
        assert captions(hero)["0"] == "zz, smile, tag0" and captions(hero)["twin"] == "zz"
        await press(pilot, "x")
        assert "A filter first" in screen_text(app)
        await press(pilot, "u", "u")
        assert history.current(hero) == hero

    drive(app, act, size=(100, 30))


def test_pictures_without_captions_are_told_the_key_that_writes_them(
    app: LoratuiApp, hero: Path, drive: Callable[..., Any], screen_text: Text
) -> None:
    report = check(hero)
    for caption in hero.rglob("*.txt"):
        caption.unlink()
    without = check(hero)

    async def act(pilot: Pilot[None]) -> None:
        await press(pilot, "t")
        text = " ".join(screen_text(app).split())
        assert "No tags yet: 4 pictures without a caption. m writes one for each" in text
        assert "m write the missing ones" in text
        await press(pilot, "m", "enter", "enter")
        assert set(captions(hero).values()) == {"ohwx"} and len(captions(hero)) == 4
        assert "write the missing" not in screen_text(app)

    drive(app, act, size=(80, 24))
    errors = [finding for finding in without.findings if finding.code == "caption_missing"]
    assert "ctrl+t, then t, then m mends it" in doubt.words(errors, hero)
    assert "few pictures" in [item.words for item in checklist(report)]
    assert "without a caption" in [item.words for item in checklist(without)]


def test_one_caption_after_another(
    app: LoratuiApp, hero: Path, drive: Callable[..., Any], screen_text: Text
) -> None:
    async def act(pilot: Pilot[None]) -> None:
        await press(pilot, "t", "tab", "enter")
        assert "1 of 4" in screen_text(app) and "CLIP tokens" in screen_text(app)
        await press(pilot, "=, a b", "ctrl+n", "=, c", "ctrl+o")
        assert "\u2580" in screen_text(app)
        await press(pilot, "ctrl+n", "=not kept", "escape")
        assert "2 captions edited: s makes a step of it" in screen_text(app)
        await press(pilot, "a")
        assert "First s" in screen_text(app)
        await press(pilot, "s", "enter")
        assert captions(hero) == {"0": "smile, tag0, a b", "1": "smile, tag1, c", "2": "smile, tag2"}
        assert history.find(hero).current.words == "2 captions edited by hand"
        # What was typed is no more lost by leaving than by pressing s.
        await press(pilot, "enter", "=, d", "enter", "escape")
        assert captions(hero)["2"] == "smile, tag2, d"

    drive(app, act, size=(100, 30))


def test_steps_can_be_walked(
    app: LoratuiApp, hero: Path, drive: Callable[..., Any], screen_text: Text
) -> None:
    base = history.begin(hero)
    history.apply(history.Plan(base, "x", "[red]words", {"10_ohwx/0.txt": history.Written(b"x")}))

    async def act(pilot: Pilot[None]) -> None:
        await press(pilot, "s")
        assert "->   1  [red]words" in screen_text(app)
        await press(pilot, "u")
        assert "->   0  your folder" in screen_text(app)
        await press(pilot, "down", "enter")
        assert history.find(hero).number == 1
        (hero / "10_ohwx" / "new.txt").write_text("new")
        await press(pilot, "u", "r")
        assert "1 new (like 10_ohwx/new.txt)" in screen_text(app)
        await press(pilot, "f", "enter")
        assert captions(hero)["new"] == "new" and captions(hero)["0"] == "x"

    drive(app, act, size=(100, 30))


def test_what_cannot_be_read_is_said(
    tmp_path: Path, home: Path, drive: Callable[..., Any], screen_text: Text
) -> None:
    app = LoratuiApp(first=lambda: MendMenu(tmp_path / "nowhere"))

    async def act(pilot: Pilot[None]) -> None:
        for key in "dts":
            await press(pilot, key)
            assert "nowhere: there is no such folder." in screen_text(app)
            await press(pilot, "escape")

    drive(app, act, size=(80, 24))


def test_formats_and_names_are_mended(
    app: LoratuiApp, hero: Path, drive: Callable[..., Any], screen_text: Text
) -> None:
    folder = hero / "10_ohwx"
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(folder / "clear.png")
    (folder / "cut.png").write_bytes((folder / "1.png").read_bytes()[:200])
    (folder / "0.jpg").write_bytes(b"a twin by name")
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new("RGB", (64, 48), (0, 99, 0)).save(folder / "turned.jpg", exif=exif)
    (folder / "Thumbs.db").write_bytes(b"x")

    async def act(pilot: Pilot[None]) -> None:
        await press(pilot, "n")
        assert "10_ohwx/0_2.png" in screen_text(app)
        await press(pilot, "enter", "enter")
        step = history.current(hero) / "10_ohwx"
        assert (step / "0_2.txt").read_text() == "smile, tag0" and not (step / "Thumbs.db").exists()
        assert "Nothing here wants mending" in screen_text(app)
        await press(pilot, "escape", "f", "down")
        assert "transparent parts on white" in screen_text(app)
        await press(pilot, "c")
        assert "transparent parts on black" in screen_text(app)
        assert "1 JPEG encoded once more" in screen_text(app)
        await press(pilot, "p")
        assert "encoded once more" not in screen_text(app)
        await press(pilot, "enter", "enter")
        step = history.current(hero) / "10_ohwx"
        with Image.open(step / "clear.png") as picture:
            assert picture.getpixel((0, 0)) == (0, 0, 0)
        with Image.open(step / "turned.png") as picture:
            assert picture.size == (48, 64)
        assert not (step / "cut.png").exists() and not (step / "0.jpg").exists()

    drive(app, act, size=(80, 24))
