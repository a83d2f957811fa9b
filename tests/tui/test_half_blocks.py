"""A picture out of characters."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from textual.color import BLACK
from textual.filter import Monochrome

from loratui.tui.widgets.half_blocks import render


def test_the_upper_and_the_lower_half_of_a_cell_have_their_own_colour(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 40), "red")
    picture.paste("blue", (0, 20, 40, 40))
    picture.save(tmp_path / "a.png")
    drawn = render(tmp_path / "a.png", 40, 1)
    assert (drawn.width, drawn.height) == (40, 40)
    (segment, *_) = list(drawn.strips[0])
    assert segment.text == "▀"
    assert segment.style is not None
    assert segment.style.color is not None
    assert segment.style.bgcolor is not None
    assert segment.style.color.get_truecolor() == (255, 0, 0)
    assert segment.style.bgcolor.get_truecolor() == (0, 0, 255)


def test_without_blocks_dark_is_blank_and_bright_is_dense(tmp_path: Path) -> None:
    picture = Image.new("L", (20, 10), 0)
    picture.paste(255, (10, 0, 20, 10))
    picture.save(tmp_path / "a.png")
    strip = render(tmp_path / "a.png", 20, 10, blocks=False).strips[0]
    assert strip.text == " " * 10 + "@" * 10
    assert strip.text.isascii()
    assert strip.apply_filter(Monochrome(), BLACK).text == strip.text  # NO_COLOR


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (2, 2), "red")
    picture.paste((0, 0, 0, 0), (0, 1, 2, 2))
    picture.save(tmp_path / "a.png")
    (segment, *_) = list(render(tmp_path / "a.png", 2, 1).strips[0])
    assert segment.style is not None and segment.style.color is not None and segment.style.bgcolor is not None
    assert segment.style.color.get_truecolor() == (255, 0, 0)
    assert segment.style.bgcolor.get_truecolor() == (255, 255, 255)


def test_a_turned_picture_is_upright_but_for_a_trainer(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(tmp_path / "a.jpg", exif=exif)
    assert len(render(tmp_path / "a.jpg", 40, 20).strips) == 20
    assert len(render(tmp_path / "a.jpg", 40, 20, upright=False).strips) == 10


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    room=st.tuples(st.integers(1, 120), st.integers(1, 60)),
    blocks=st.booleans(),
)
def test_it_always_fits(
    size: tuple[int, int], room: tuple[int, int], blocks: bool, tmp_path_factory: object
) -> None:
    path = Path(str(tmp_path_factory.getbasetemp())) / "picture.png"  # type: ignore[attr-defined]
    Image.new("RGB", size, "white").save(path)
    drawn = render(path, *room, blocks=blocks)
    assert 1 <= len(drawn.strips) <= room[1]
    assert all(1 <= strip.cell_length <= room[0] for strip in drawn.strips)
