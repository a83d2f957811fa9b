"""Pictures become what the trainer sees as a person does; names become what it looks for."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from PIL import Image

from loratui.dataset import history
from loratui.dataset.arrange import REPEATS
from loratui.dataset.checking.checks import check
from loratui.dataset.mending.convert import plan_conversion
from loratui.dataset.mending.tidy_names import plan_arrange
from tests.conftest import Call

RED, BLUE = (200, 30, 30), (30, 30, 200)


def halves(width: int = 64, height: int = 48) -> Image.Image:
    """Left red, right blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


@pytest.fixture
def hero(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "hero" / "10_x"
    folder.mkdir(parents=True)
    halves().save(folder / "fine.png")
    exif = Image.Exif()
    exif[0x112] = 6
    halves().save(folder / "rotated.jpg", exif=exif, quality=95, subsampling=0)
    clear = halves().convert("RGBA")
    clear.putalpha(Image.new("L", clear.size, 0))
    clear.save(folder / "alpha.png")
    halves().convert("CMYK").save(folder / "cmyk.jpg", quality=95)
    Image.new("I;16", (64, 48), 0x8080).save(folder / "deep.png")
    halves().save(
        folder / "moving.webp", save_all=True, append_images=[Image.new("RGB", (64, 48))], lossless=True
    )
    halves().save(folder / "film.gif", save_all=True, append_images=[Image.new("RGB", (64, 48))])
    halves().save(folder / "tall.TIFF")
    halves().save(folder / "Mixed.Jpg", "JPEG")
    halves().save(folder / "fine.gif")
    (folder / "fine.txt").write_text("two of this name")
    (folder / "broken.png").write_bytes((folder / "fine.png").read_bytes()[:60])
    (folder / "broken.txt").write_text("gone with it")
    (folder / "empty.png").write_bytes(b"")
    (folder / "clip.mp4").write_bytes(b"film")
    (folder / "fake.heic").write_bytes(b"none")
    return folder.parent


def test_everything_is_made_plain(hero: Path) -> None:
    before = {path.name: path.read_bytes() for path in (hero / "10_x").iterdir()}
    found = plan_conversion(history.begin(hero), background="#00ff00")
    assert {(one.name[5:], one.target[5:], one.reasons) for one in found.conversions} == {
        ("rotated.jpg", "rotated.jpg", ("rotation",)),
        ("alpha.png", "alpha.png", ("alpha",)),
        ("cmyk.jpg", "cmyk.jpg", ("cmyk",)),
        ("deep.png", "deep.png", ("16bit",)),
        ("moving.webp", "moving.png", ("frames",)),
        ("film.gif", "film.png", ("format",)),
        ("tall.TIFF", "tall.png", ("format",)),
        ("Mixed.Jpg", "Mixed.jpg", ("ending",)),
        ("fine.gif", "fine_gif.png", ("format",)),
        ("broken.png", "", ("broken",)),
        ("empty.png", "", ("broken",)),
    }
    assert found.left_alone == ("10_x/clip.mp4", "10_x/fake.heic")
    made = history.apply(found.plan).folder / "10_x"
    with Image.open(made / "rotated.jpg") as picture:
        assert picture.size == (48, 64) and picture.getexif().get(0x112) is None
        top = picture.getpixel((24, 5))
        assert isinstance(top, tuple) and abs(top[0] - RED[0]) < 12
    with Image.open(made / "alpha.png") as picture:
        assert (picture.mode, picture.getpixel((5, 5))) == ("RGB", (0, 255, 0))
    with Image.open(made / "cmyk.jpg") as picture:
        assert picture.mode == "RGB"
    with Image.open(made / "deep.png") as picture:
        assert picture.getpixel((5, 5)) == (0x80, 0x80, 0x80)
    for name in ("moving.png", "tall.png"):
        with Image.open(made / name) as picture:
            assert picture.tobytes() == halves().tobytes()
    assert (made / "Mixed.jpg").read_bytes() == before["Mixed.Jpg"]
    assert (made / "fine_gif.txt").read_text() == (made / "fine.txt").read_text() == "two of this name"
    assert not (made / "broken.txt").exists()
    assert {path.name: path.read_bytes() for path in (hero / "10_x").iterdir()} == before
    codes = {finding.code for finding in check(history.current(hero)).findings}
    assert not codes & {
        "image_alpha", "image_exif_rotated", "image_cmyk", "image_16bit", "image_animated",
        "image_truncated", "image_unreadable", "image_zero_bytes", "name_collision",
    }  # fmt: skip
    assert not plan_conversion(history.begin(hero)).conversions


def test_the_command_takes_some_of_it(hero: Path, call: Call) -> None:
    _, plan, _ = call("dataset", "convert", hero, "--only", "alpha", "--format", "webp", "--yes", "--json")
    assert plan["put"] == ["10_x/alpha.webp"] and plan["drop"] == ["10_x/alpha.png"]
    _, out, said = call("dataset", "convert", hero)
    assert "film.gif -> film.png   (a format the trainer passes over)" in out and "--yes" in said
    with pytest.raises(click.BadParameter):
        call("dataset", "convert", hero, "--background", "reddish")


def test_folders_and_names_are_arranged(tmp_path: Path, home: Path, call: Call) -> None:
    root = tmp_path / "my set"
    for name in (
        "loose.png", "loose.txt", "notes.md", "10_a/1.png", "10_a/1.jpg", "10_a/1.txt", "10_a/sub/2.png",
        "10_a/sub/2.txt", "cats/1.png", "10_a/orphan.txt", "10_a/Thumbs.db",
    ):  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    found = plan_arrange(history.begin(root), "ohwx")
    assert found.orphans == ("10_a/orphan.txt",)
    step = history.apply(found.plan).folder
    files = {str(path.relative_to(step)): path.read_text() for path in step.rglob("[!.]*") if path.is_file()}
    assert files == {
        "notes.md": "notes.md",
        f"{REPEATS}_ohwx/loose.png": "loose.png",
        f"{REPEATS}_ohwx/loose.txt": "loose.txt",
        "10_a/1.jpg": "10_a/1.jpg",
        "10_a/1.txt": "10_a/1.txt",
        "10_a/1_2.png": "10_a/1.png",
        "10_a/1_2.txt": "10_a/1.txt",
        "10_a_sub/2.png": "10_a/sub/2.png",
        "10_a_sub/2.txt": "10_a/sub/2.txt",
        f"{REPEATS}_cats/1.png": "cats/1.png",
        "10_a/orphan.txt": "10_a/orphan.txt",
    }
    _, plan, _ = call("dataset", "arrange", root, "--drop-orphans", "--yes", "--json")
    assert (plan["put"], plan["drop"]) == ([], ["10_a/orphan.txt"])
    assert "Nothing to do" in call("dataset", "arrange", root)[2]
