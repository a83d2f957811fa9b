"""Verdicts on broken files: never milder than the trainer's own load, and never an exception."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from loratui.dataset.pictures.hashing import numbers, numbers_by_numpy
from loratui.dataset.pictures.headers import exif_orientation, read_header
from loratui.dataset.pictures.pixels import look

FORMATS: list[tuple[str, dict[str, object]]] = [
    ("JPEG", {}),
    ("JPEG", {"progressive": True}),
    ("PNG", {}),
    ("WEBP", {}),
    ("WEBP", {"lossless": True}),
    ("WEBP", {"exif": b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"}),
    ("BMP", {}),
]


def encoded(kind: str, options: dict[str, object], mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    dice = random.Random(1)
    noise = Image.frombytes("L", (24, 20), dice.randbytes(480)).resize((96, 80))
    noise.convert(mode).save(file, kind, **options)
    return file.getvalue()


def trainer_takes(path: Path) -> bool:
    """sd-scripts' own load (library/train_util.py:2948)."""
    try:
        with Image.open(path) as picture:
            picture.convert("RGB")
    except Exception:
        return False
    return True


@pytest.mark.parametrize(("kind", "options"), FORMATS, ids=str)
def test_the_verdict_is_the_trainers(kind: str, options: dict[str, object], tmp_path: Path) -> None:
    whole = encoded(kind, options)
    dice = random.Random(11)
    path = tmp_path / "picture"
    refused = 0
    for number in range(90):
        data = bytearray(whole)
        at = dice.randrange(len(data))
        match number % 3:
            case 0:
                del data[at:]
            case 1:
                data[at] ^= 1 << dice.randrange(8)
            case _:
                del data[at : at + dice.randrange(1, 100)]
        path.write_bytes(data)
        takes = trainer_takes(path)
        refused += not takes
        assert (not look(path).fault) == takes
        # The shortcuts around Pillow are taken where the header is sound, and say the same.
        assert (not look(path, read_header(bytes(data))).fault) == takes
    assert refused > 10


@pytest.mark.parametrize(("kind", "options"), FORMATS, ids=str)
def test_the_gate_sees_every_cut(kind: str, options: dict[str, object]) -> None:
    whole = encoded(kind, options)
    header = read_header(whole)
    assert (header.fault, header.width, header.height) == ("", 96, 80)
    for share in (0.3, 0.6, 0.95, 0.999):
        assert read_header(whole[: int(len(whole) * share)]).fault in ("truncated", "unreadable")
    # What cameras and phones put behind a JPEG is no fault.
    if kind == "JPEG":
        assert read_header(whole + b"\0" * 100).fault == ""


@settings(deadline=None)
@given(
    st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP", b"BM"]),
    st.binary(max_size=200),
)
def test_no_bytes_raise(start: bytes, rest: bytes) -> None:
    read_header(start + rest)
    exif_orientation(rest)


@pytest.mark.parametrize(("kind", "options"), [("WEBP", {}), ("WEBP", {"lossless": True}), ("PNG", {})])
def test_shortcuts_see_the_same_picture(kind: str, options: dict[str, object], tmp_path: Path) -> None:
    dice = random.Random(2)
    picture = Image.frombytes("RGB", (12, 9), dice.randbytes(324)).resize((900, 640))
    path = tmp_path / "picture"
    picture.save(path, kind, **options)
    header = read_header(path.read_bytes())
    short, long = look(path, header), look(path, shortcuts=False)
    assert (short.width, short.height, short.transparent) == (900, 640, False)
    assert (short.hash ^ long.hash).bit_count() <= 6
    assert short.sharpness == pytest.approx(long.sharpness, rel=0.1, abs=3)


def test_transparency_is_seen_by_shortcut_too(tmp_path: Path) -> None:
    for alpha, seen in ((255, False), (254, True)):
        Image.new("RGBA", (300, 300), (9, 90, 200, alpha)).save(tmp_path / "p.png")
        header = read_header((tmp_path / "p.png").read_bytes())
        assert look(tmp_path / "p.png", header).transparent is seen


def test_both_ways_of_reckoning_agree_to_the_bit() -> None:
    for seed in range(40):
        dice = random.Random(seed)
        size = dice.randrange(1, 250), dice.randrange(1, 250)
        grey = Image.frombytes("L", (9, 7), dice.randbytes(63)).resize(size)
        if seed % 3:
            grey = Image.blend(grey, Image.effect_noise(size, 90), 0.6)
        elif seed % 2:
            grey = Image.new("L", size, seed)
        assert numbers(grey) == numbers_by_numpy(grey)


def test_a_mirror_image_has_the_mirrored_hash(tmp_path: Path) -> None:
    whole = Image.open(io.BytesIO(encoded("PNG", {}))).resize((900, 750))
    whole.save(tmp_path / "a.png")
    whole.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "b.png")
    one, other = look(tmp_path / "a.png"), look(tmp_path / "b.png")
    assert (one.mirrored_hash ^ other.hash).bit_count() <= 8
    assert (one.hash ^ other.hash).bit_count() > 24


def test_resaving_and_shrinking_changes_few_bits(tmp_path: Path) -> None:
    whole = Image.open(io.BytesIO(encoded("PNG", {}))).resize((900, 750))
    others = []
    for name, picture in {"a.png": whole, "b.jpg": whole, "c.webp": whole.resize((300, 250))}.items():
        picture.save(tmp_path / name)
        others.append(look(tmp_path / name))
    assert all((others[0].hash ^ other.hash).bit_count() <= 6 for other in others)
    whole.transpose(Image.Transpose.ROTATE_180).save(tmp_path / "d.png")
    assert (others[0].hash ^ look(tmp_path / "d.png").hash).bit_count() > 24
