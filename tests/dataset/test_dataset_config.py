"""What sd-scripts would end on in a dataset_config is said before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.dataset.dataset_config import problems

GOOD = """
[general]
caption_extension = ".txt"
[[datasets]]
resolution = [64, 128]
batch_size = 1
enable_bucket = true
  [[datasets.subsets]]
  image_dir = "FOLDER"
  num_repeats = 3
"""


def said(tmp_path: Path, text: str) -> str:
    path = tmp_path / "data.toml"
    path.write_text(text.replace("FOLDER", str(tmp_path)))
    return "\n".join(map(str, problems(path)))


def test_a_file_that_sd_scripts_trained_on(tmp_path: Path) -> None:
    assert said(tmp_path, GOOD) == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("num_repeats", "num_repeat", "Did you mean 'num_repeats'?"),
        ("  num_repeats = 3", "  batch_size = 3", "It belongs in [[datasets]]."),
        ("batch_size = 1", 'batch_size = "1"', "must be a whole number"),
        ("enable_bucket = true", "enable_bucket = 1", "must be true or false"),
        ("[general]", "[genral]", "Did you mean 'general'?"),
        ("FOLDER", "/no/such/folder", "there is no folder"),
        ('  image_dir = "FOLDER"\n', "", "names no image_dir"),
        ("[general]", "[general", "data.toml"),
        ("  num_repeats", '  metadata_file = "m.json"\n  is_reg = true\n  num_repeats', "is_reg does not go"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert words in said(tmp_path, GOOD.replace(old, new))
