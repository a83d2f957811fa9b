"""Where a run is to write is looked at before anything starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.engines.checking.output_checks import output_problems
from loratui.recipe import Base, Output, Recipe


def said(folder: Path | None, name: str = "hero", logs: Path | None = None) -> str:
    output = Output(folder=str(folder) if folder else "", name=name)
    kohya = {"logging_dir": str(logs)} if logs else {}
    return " ".join(map(str, output_problems(Recipe(base=Base(model="m"), output=output, kohya=kohya))))


def test_a_folder_that_can_be_made(tmp_path: Path) -> None:
    assert not said(tmp_path / "a" / "b", logs=tmp_path / "logs")
    assert not said(None)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_text("x"), "is a file"),
        (lambda path: path.symlink_to(path.name), "is a link that leads nowhere"),
        (lambda path: path.symlink_to("/none/there"), "is a link that leads nowhere"),
    ],
)
def test_what_stands_in_the_way(tmp_path: Path, make: Callable[[Path], object], words: str) -> None:
    path = tmp_path / "out"
    make(path)
    for folder in (path, path / "inside"):
        assert words in said(folder)
        found = said(None, logs=folder)
        assert words in found and "kohya.logging_dir" in found


def test_names_that_no_disk_takes(tmp_path: Path) -> None:
    assert "longer than a folder's can be" in said(tmp_path / ("x" * 300))
    assert "longer than a file's name can be" in said(tmp_path, "x" * 240)


def test_a_result_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "hero.safetensors").symlink_to("elsewhere.safetensors")
    assert "exists and would be overwritten" in said(tmp_path)
