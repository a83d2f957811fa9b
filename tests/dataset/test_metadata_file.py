"""Captions by metadata_file, as sd-scripts' own FineTuningDataset makes them (48d368f)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from loratui.advice.steps import count_config
from loratui.dataset.checking.checks import check
from loratui.dataset.metadata_file import captions
from loratui.dataset.scan import Source, scan_sources
from loratui.problems import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a.png", "bb.png", "ccc.png", "left_out.png"):
        Image.effect_noise((64, 96), 60 + len(name)).convert("RGB").save(folder / name)
    return folder


@pytest.fixture
def metadata(tmp_path: Path, folder: Path) -> Path:
    path = tmp_path / "meta.json"
    said = {
        "a.png": {"caption": "a picture\nsecond", "tags": "red, tall"},
        "bb.png": {"caption": "a house", "tags": "red, tall"},
        str(folder / "ccc.png"): {"tags": "red"},
    }
    path.write_text(json.dumps(said))
    return path


def test_captions_and_tags(metadata: Path, folder: Path) -> None:
    plain = [(path.name, text) for path, text in captions(metadata, folder, ",", wildcards=False)]
    # Longest names first; without wildcards only the first line is seen, and so no tags behind the second.
    assert plain == [("ccc.png", "red"), ("bb.png", "a house,red, tall"), ("a.png", "a picture")]
    lines = dict(captions(metadata, folder, ",", wildcards=True))
    assert lines[folder / "a.png"] == "a picture,red, tall\nsecond,red, tall"
    assert lines[folder / "ccc.png"] == ""  # there tags alone have no line to stand behind


def test_in_json_names_it_beside_the_folder(metadata: Path, folder: Path) -> None:
    flat = {"train_data_dir": str(folder), "in_json": str(metadata), "dataset_repeats": 2, "resolution": "64"}
    flat |= {"train_batch_size": 2, "max_train_epochs": 1, "enable_bucket": True, "min_bucket_reso": 64}
    counted = count_config(flat, "train_network")
    assert (counted.train_images, counted.train_images_repeated, counted.total_steps) == (3, 6, 3)
    assert not counted.problems


def test_lines_of_json(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "meta.jsonl"
    path.write_text(json.dumps({"image_path": str(folder / "a.png"), "caption": "one"}) + "\n")
    assert list(captions(path, None, ",", wildcards=False)) == [(folder / "a.png", "one")]


def test_it_is_scanned_and_checked_without_caption_files(metadata: Path, folder: Path) -> None:
    (folder / "a.txt").write_text("not this one")
    source = Source(folder, 2, "", metadata=metadata)
    found = scan_sources(metadata, [source])
    assert [(one.path.name, one.width, one.repeats) for one in found.pictures] == [
        ("ccc.png", 64, 2),
        ("bb.png", 64, 2),
        ("a.png", 64, 2),
    ]
    report = check(metadata, datasets=[[source]])
    assert (report.images, report.captions) == (3, 0)
    assert "caption_missing" not in {finding.code for finding in report.findings}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no metadata"),
        ("[]", "names no pictures"),
        ('{"a.png": "words"}', "no caption and tags"),
        ('{"a": {"caption": "x"}}', "not there"),
    ],
)
def test_what_is_wrong_is_named(text: str, words: str, tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text(text)
    with pytest.raises(UserError, match=words):
        list(captions(path, folder, ",", wildcards=False))
    with pytest.raises(UserError, match="image_dir"):
        list(captions(_said(tmp_path), None, ",", wildcards=False))


def _said(folder: Path) -> Path:
    path = folder / "relative.json"
    path.write_text('{"a.png": {"caption": "x"}}')
    return path
