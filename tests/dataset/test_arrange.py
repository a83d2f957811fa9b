"""A plain folder becomes a layout of links; nothing in it is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from loratui.dataset import arrange
from loratui.dataset.captions import read_caption
from loratui.dataset.scan import scan
from loratui.problems import UserError


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for index in range(3):
        Image.new("RGB", (64, 64), (index, 0, 0)).save(folder / f"{index}.png")
        (folder / f"{index}.txt").write_text(f"number {index}")
    (folder / "notes.md").write_text("not part of it")
    return folder


def made(source: Path, datasets: Path, words: str = "ohwx") -> Path:
    arrangement = arrange.plan(source, datasets, words)
    assert arrangement is not None
    return arrange.make(arrangement)


def test_the_links_are_a_dataset_and_the_source_stays(plain: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in plain.iterdir()}
    found = scan(made(plain, tmp_path / "datasets"))
    assert [(p.repeats, p.class_tokens, read_caption(p)) for p in found.train_pictures] == [
        (arrange.REPEATS, "ohwx", f"number {index}") for index in range(3)
    ]
    assert {path.name: path.read_bytes() for path in plain.iterdir()} == before


def test_a_second_time_adds_what_is_new_and_keeps_what_was_changed(plain: Path, tmp_path: Path) -> None:
    folder = made(plain, tmp_path / "datasets")
    own = folder / f"{arrange.REPEATS}_ohwx" / "0.txt"
    own.unlink()
    own.write_text("written by the person")
    Image.new("RGB", (64, 64)).save(plain / "new.png")
    assert made(plain, tmp_path / "datasets") == folder
    assert own.read_text() == "written by the person"
    assert len(scan(folder).train_pictures) == 4


def test_other_words_do_not_show_every_picture_twice(plain: Path, tmp_path: Path) -> None:
    datasets = tmp_path / "datasets"
    first, second = made(plain, datasets, "ohwx"), made(plain, datasets, "a dog")
    assert {p.class_tokens for p in scan(second).train_pictures} == {"a dog"}
    assert len(scan(first).train_pictures) == len(scan(second).train_pictures) == 3


def test_what_left_the_source_leaves_the_links(plain: Path, tmp_path: Path) -> None:
    folder = made(plain, tmp_path / "datasets")
    (plain / "0.png").unlink()
    (folder / f"{arrange.REPEATS}_ohwx" / "mine.txt").symlink_to(tmp_path / "elsewhere" / "mine.txt")
    made(plain, tmp_path / "datasets")
    names = sorted(path.name for path in (folder / f"{arrange.REPEATS}_ohwx").iterdir())
    assert names == ["0.txt", "1.png", "1.txt", "2.png", "2.txt", "mine.txt"]


def test_folders_of_one_name_do_not_mix(plain: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / plain.name
    other.mkdir(parents=True)
    Image.new("RGB", (64, 64)).save(other / "x.png")
    assert made(plain, tmp_path / "datasets") != made(other, tmp_path / "datasets")


@pytest.mark.parametrize("words", ["", "../../x", "[red]", "a/b", "\x1b[31m", ".", "é ü"])
def test_words_cannot_lead_out_of_the_folder(plain: Path, tmp_path: Path, words: str) -> None:
    datasets = tmp_path / "datasets"
    folder = made(plain, datasets, words)
    assert folder.parent == datasets
    (subset,) = folder.iterdir()
    assert subset.name.startswith(f"{arrange.REPEATS}_")
    assert scan(folder).train_pictures


def test_nothing_to_arrange(plain: Path, tmp_path: Path) -> None:
    numbered = tmp_path / "10_cat"
    plain.rename(numbered)
    assert arrange.plan(numbered, tmp_path / "datasets") is None
    assert arrange.plan(tmp_path, tmp_path / "datasets") is None
    with pytest.raises(UserError, match="no such folder"):
        arrange.plan(tmp_path / "none", tmp_path / "datasets")
