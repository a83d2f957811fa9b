"""Samples by step and prompt, and their contact sheet."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from loratui.events import Sample
from loratui.runs.reporting.sample_grid import grid, write_sheet


def test_rows_are_steps_columns_are_prompts_and_the_newest_file_counts() -> None:
    samples = [
        Sample("samples/a.png", 20, "a cat"),
        Sample("samples/b.png", 20, "a dog"),
        Sample("samples/c.png", 10, "a cat"),
        Sample("samples/d.png", 20, "a cat"),
    ]
    found = grid(samples, Path("/run"))
    assert found.steps == (10, 20)
    assert found.prompts == ("a cat", "a dog")
    assert {place: path.name for place, path in found.files.items()} == {
        (0, 0): "c.png",
        (1, 0): "d.png",
        (1, 1): "b.png",
    }


def test_pictures_without_a_prompt_are_told_apart_by_their_order() -> None:
    found = grid([Sample("1.png", 5), Sample("2.png", 5), Sample("3.png", 9)], Path("/run"))
    assert found.prompts == ("prompt 1", "prompt 2")
    assert sorted(found.files) == [(0, 0), (0, 1), (1, 0)]


def test_the_sheet_holds_each_picture_in_its_place(tmp_path: Path) -> None:
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "lime")):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    samples = [Sample("a.png", 1, "x"), Sample("b.png", 1, "y"), Sample("c.png", 2, "x")]
    write_sheet(grid(samples, tmp_path), tmp_path / "sheet.png")
    write_sheet(grid(samples, tmp_path), tmp_path / "sheet.png")  # once more, with newer pictures
    with Image.open(tmp_path / "sheet.png") as sheet:
        colours = sheet.convert("RGB").getcolors(1 << 20) or []
    counts = {colour: count for count, colour in colours}
    assert {counts[colour] for colour in ((255, 0, 0), (0, 0, 255), (0, 255, 0))} == {64 * 64}


def test_a_sheet_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no sample picture"):
        write_sheet(grid([Sample("gone.png", 1, "x")], tmp_path), tmp_path / "sheet.png")
