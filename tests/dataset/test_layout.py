from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.dataset.layout import Subset, is_picture_name, parse_repeats, read_layout, suggested_name
from loratui.problems import UserError
from tests.support.pictures import make_dataset, png_header


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("10_hero cat", (10, "hero cat")),
        ("5", (5, "")),
        ("05_x", (5, "x")),
        ("7 _c", (7, "c")),
        ("+2_b", (2, "b")),
        ("１２_wide", (12, "wide")),
        ("1_0_c", (1, "0_c")),
        ("2024", (2024, "")),
        ("3_a_b_c", (3, "a_b_c")),
        ("10x", None),
        ("3-dog", None),
        ("1.5_x", None),
        ("0_x", None),
        ("-2_x", None),
        ("cat_10", None),
        ("_x", None),
        ("", None),
    ],
)
def test_repeats_are_what_int_makes_of_the_text_before_the_first_underscore(
    name: str, expected: tuple[int, str] | None
) -> None:
    assert parse_repeats(name) == expected


@given(st.integers(1, 10**6), st.text(max_size=20))
def test_any_number_from_one_on_counts(number: int, words: str) -> None:
    assert parse_repeats(f"{number}_{words}") == (number, words)


@pytest.mark.parametrize("name", ["a.png", "a.JPG", "a.b.webp", "a.jpeg", "a.BMP", "[x] (1).png"])
def test_names_that_count(name: str) -> None:
    assert is_picture_name(name)


@pytest.mark.parametrize("name", ["a.Png", ".a.png", ".png", "a.gif", "a.tiff", "a.avif", "a.png.bak", "png"])
def test_names_that_do_not_count(name: str) -> None:
    assert not is_picture_name(name)


def test_a_layout_lists_what_counts_and_what_does_not(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"10_hero": [("a.png", 8, 8)], "misc": [("b.png", 8, 8)], "0_off": []})
    (tmp_path / "loose.png").write_bytes(png_header(8, 8))
    (tmp_path / "notes.txt").write_text("x")
    layout = read_layout(tmp_path)
    assert layout.subsets == (Subset(tmp_path / "10_hero", 10, "hero"),)
    assert set(layout.ignored) == {tmp_path / "misc", tmp_path / "0_off", tmp_path / "loose.png"}


def test_subsets_come_in_the_order_of_the_file_system(tmp_path: Path) -> None:
    names = [f"{number}_{word}" for number in range(1, 12) for word in ("b", "a")]
    make_dataset(tmp_path, {name: [] for name in names})
    found = [subset.folder.name for subset in read_layout(tmp_path).subsets]
    assert found == [path.name for path in tmp_path.iterdir()]


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_layout(folder)
    text = str(caught.value)
    assert text.startswith(f"{folder}: ")
    assert "\n" not in text
    return text


def test_a_missing_folder(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "nowhere")


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(png_header(8, 8))
    assert "a file, not a folder" in refusal(file)


def test_pictures_without_a_numbered_folder(tmp_path: Path) -> None:
    folder = tmp_path / "hero"
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(png_header(8, 8))
    text = refusal(folder)
    assert "2 pictures lie directly in this folder" in text
    assert f"Make {folder}/10_hero and move" in text


def test_a_numbered_folder_in_place_of_its_parent(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"10_hero": [("a.png", 8, 8)]})
    assert f"Give {tmp_path} instead." in refusal(tmp_path / "10_hero")


def test_a_numbered_folder_named_by_a_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dataset(tmp_path, {"10_hero": [("a.png", 8, 8)]})
    monkeypatch.chdir(tmp_path / "10_hero")
    assert f"Give {tmp_path} instead." in refusal(Path())


def test_only_folders_without_a_number(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"hero": [("a.png", 8, 8)], "10x_b": []})
    text = refusal(tmp_path)
    assert "found: 10x_b, hero" in text
    assert "Rename 10x_b to 10_b." in text


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "no pictures in this folder" in refusal(tmp_path)


def test_an_unreadable_folder(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    make_dataset(folder, {"10_hero": []})
    folder.chmod(0)
    root = os.geteuid() == 0
    try:
        if root:  # root reads everything: look at it as nobody
            os.seteuid(65534)
        assert "cannot be read: Permission denied" in refusal(folder)
    finally:
        if root:
            os.seteuid(0)
        folder.chmod(0o700)


def test_a_link_to_itself_is_no_folder(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"10_hero": []})
    (tmp_path / "5_loop").symlink_to("5_loop")
    assert [subset.repeats for subset in read_layout(tmp_path).subsets] == [10]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("hero", "10_hero"), ("10x_b", "10_b"), ("3-dog", "10_dog"), ("1.5_x", "10_x"), ("xena", "10_xena")],
)
def test_suggested_names_keep_the_words(name: str, expected: str) -> None:
    assert suggested_name(name) == expected


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=30))
def test_suggested_names_always_count(name: str) -> None:
    assert parse_repeats(suggested_name(name)) is not None
