from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from PIL import Image

from loratui.dataset.scan import scan, sizes_from_latents
from loratui.problems import UserError
from tests.support.pictures import make_dataset, png_header, squares


def test_sizes_repeats_and_captions(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"10_hero cat": [("b.png", 640, 480), ("a.PNG", 512, 768)]})
    (tmp_path / "10_hero cat" / "a.txt").write_text("a cat")
    found = scan(tmp_path)
    first, second = found.pictures
    assert (first.path.name, first.width, first.height) == ("a.PNG", 512, 768)
    assert (second.path.name, second.width, second.height) == ("b.png", 640, 480)
    assert first.caption_path == tmp_path / "10_hero cat" / "a.txt"
    assert second.caption_path is None
    assert {picture.repeats for picture in found.pictures} == {10}
    assert {picture.class_tokens for picture in found.pictures} == {"hero cat"}
    assert found.captioned == (first,)
    assert found.train_pictures == found.pictures
    assert found.reg_pictures == ()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_sizes_of_real_pictures(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "1_x"
    folder.mkdir()
    Image.new("RGB", (37, 53), "red").save(folder / f"a.{suffix}")
    (picture,) = scan(tmp_path).pictures
    assert (picture.width, picture.height) == (37, 53)


def test_exif_rotation_is_not_applied(tmp_path: Path) -> None:
    folder = tmp_path / "1_x"
    folder.mkdir()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(folder / "a.jpg", exif=exif)
    (picture,) = scan(tmp_path).pictures
    assert (picture.width, picture.height) == (40, 20)


def test_what_does_not_count_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "1_x"
    make_dataset(tmp_path, {"1_x": [("a.png", 8, 8), ("a.jpg", 9, 9), ("b.Png", 8, 8), (".c.png", 8, 8)]})
    for name in ("d.gif", "e.tiff", "f.HEIC"):
        (folder / name).write_bytes(b"x")
    (folder / "a.txt").write_text("x")
    (folder / "sub").mkdir()
    (folder / "sub" / "g.png").write_bytes(png_header(8, 8))
    found = scan(tmp_path)
    assert [picture.path.name for picture in found.pictures] == ["a.jpg", "a.png"]
    assert {path.name for path in found.ignored} == {"b.Png", "d.gif", "e.tiff", "f.HEIC", "sub"}
    assert len(found.captioned) == 2  # two pictures of one stem share one caption


def test_unreadable_pictures_are_told_and_left_out(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"1_x": squares(1)})
    folder = tmp_path / "1_x"
    (folder / "broken.png").write_bytes(b"not a picture")
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "folder.png").mkdir()
    (folder / "gone.png").symlink_to("nowhere.png")
    os.mkfifo(folder / "pipe.png")
    found = scan(tmp_path)
    assert len(found.pictures) == 1
    names = ["broken.png", "empty.jpg", "folder.png", "gone.png", "pipe.png"]
    assert [path.name for path in found.unreadable] == names


def test_huge_pictures_draw_no_warning(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"1_x": [("large.png", 12_000, 10_000), ("absurd.png", 60_000, 60_000)]})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = scan(tmp_path)
    assert [picture.width for picture in found.pictures] == [12_000]
    assert [path.name for path in found.unreadable] == ["absurd.png"]  # Pillow refuses to load it as well


def test_regularization_comes_after_training(tmp_path: Path) -> None:
    train = make_dataset(tmp_path / "train", {"2_hero": squares(2)})
    reg = make_dataset(tmp_path / "reg", {"1_person": squares(3)})
    found = scan(train, reg)
    assert [picture.is_regularization for picture in found.pictures] == [False, False, True, True, True]
    assert len(found.train_pictures) == 2
    assert len(found.reg_pictures) == 3


def test_a_folder_given_twice_counts_once(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"2_hero": squares(2)})
    assert scan(tmp_path, tmp_path).reg_pictures == ()


def test_another_caption_extension(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"1_x": [("a.png", 8, 8)]})
    (tmp_path / "1_x" / "a.caption").write_text("x")
    assert scan(tmp_path).captioned == ()
    assert len(scan(tmp_path, caption_extension=".caption").captioned) == 1


def test_names_of_face_crops_find_the_caption_of_the_whole(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"1_x": [("img_1_2_3_4.png", 8, 8)]})
    caption = tmp_path / "1_x" / "img.txt"
    caption.write_text("x")
    assert scan(tmp_path).pictures[0].caption_path == caption


def test_pictures_hash(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"1_x": squares(3)})
    assert len(set(scan(tmp_path).pictures)) == 3


@pytest.mark.parametrize("files", [[], ["a.gif"], ["broken.png"]])
def test_no_picture_at_all(tmp_path: Path, files: list[str]) -> None:
    (tmp_path / "1_x").mkdir()
    for file in files:
        (tmp_path / "1_x" / file).write_bytes(b"x")
    with pytest.raises(UserError) as caught:
        scan(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert all(file in str(caught.value) for file in files)


def test_cached_latents_override_sizes(tmp_path: Path) -> None:
    make_dataset(tmp_path, {"1_x": [("a.png", 100, 100), ("b.png", 100, 100)]})
    (tmp_path / "1_x" / "a_0768x0512_sd.npz").write_bytes(b"")
    assert [picture.width for picture in scan(tmp_path).pictures] == [100, 100]
    found = scan(tmp_path, latent_suffix="_sd.npz").pictures
    assert [(picture.width, picture.height) for picture in found] == [(768, 512), (100, 100)]
    assert [picture.width for picture in scan(tmp_path, latent_suffix="_sdxl.npz").pictures] == [100, 100]


def test_cached_latents_are_matched_by_the_beginning_of_their_name() -> None:
    latents = ["i10_0064x0032_sd.npz", "z_0008x0008_sd.npz"]
    assert sizes_from_latents(["i1.png", "i2.png", "z.png"], latents) == {"i1.png": (64, 32), "z.png": (8, 8)}


def test_pillow_is_imported_only_when_a_folder_is_read() -> None:
    code = "import sys, loratui.dataset.scan, loratui.advice.steps; sys.exit('PIL' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
