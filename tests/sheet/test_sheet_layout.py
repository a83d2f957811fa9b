"""The arithmetic of a contact sheet."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loratui.sheet.drawing import draw_sheet, name_width
from loratui.sheet.layout import (
    LONGEST_CELL,
    LONGEST_SHEET,
    SMALLEST_CELL,
    Box,
    clip,
    lay_out,
    one_line,
)

COUNT = st.integers(1, 6)


def overlap(one: Box, two: Box) -> bool:
    return (
        one.left < two.left + two.width
        and two.left < one.left + one.width
        and one.top < two.top + two.height
        and two.top < one.top + one.height
    )


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 9),
    COUNT,
    COUNT,
    COUNT,
    st.tuples(st.integers(8, 256), st.integers(8, 256)).map(lambda size: (8 * size[0], 8 * size[1])),
    st.integers(0, 900),
)
def test_every_picture_has_a_place_of_its_own(
    loras: int, prompts: int, seeds: int, strengths: int, size: tuple[int, int], name: int
) -> None:
    try:
        sheet = lay_out(
            ["x"] * loras,
            ["y"] * prompts,
            range(seeds),
            [0.1 * index for index in range(strengths)],
            size,
            name,
        )
    except ValueError:
        across = LONGEST_SHEET / (prompts * seeds * strengths)
        share = min(1.0, LONGEST_CELL / max(size), across / size[0], LONGEST_SHEET / loras / size[1])
        assert min(size) * share < SMALLEST_CELL + 8  # the gaps and labels take a little more
        return
    assert len(sheet.cells) == loras * prompts * seeds * strengths
    assert len({(cell.lora, cell.prompt, cell.seed, cell.strength) for cell in sheet.cells}) == len(
        sheet.cells
    )
    assert max(sheet.width, sheet.height) <= LONGEST_SHEET
    boxes = [cell.box for cell in sheet.cells]
    for index, box in enumerate(boxes):
        assert min(box.width, box.height) >= SMALLEST_CELL
        assert max(box.width, box.height) <= LONGEST_CELL
        assert box.width / box.height == pytest.approx(size[0] / size[1], rel=0.1)
        assert not any(overlap(box, other) for other in boxes[index + 1 :])
    for box in [*boxes, *(label.box for label in sheet.labels)]:
        assert box.left >= 0
        assert box.top >= 0
        assert box.left + box.width <= sheet.width
        assert box.top + box.height <= sheet.height
    assert not any(overlap(label.box, box) for label in sheet.labels for box in boxes)


def test_epochs_lie_below_each_other_and_strengths_side_by_side() -> None:
    sheet = lay_out(["e1", "e2"], ["a", "b"], [7], [0.0, 1.0], (64, 64), 30)
    at = {(cell.lora, cell.prompt, cell.strength): cell.box for cell in sheet.cells}
    assert at[0, 0, 0].top == at[0, 0, 1].top == at[0, 1, 1].top
    assert at[0, 0, 0].left < at[0, 0, 1].left < at[0, 1, 0].left
    assert at[0, 1, 1].left == at[1, 1, 1].left
    assert at[0, 1, 1].top < at[1, 1, 1].top
    texts = [label.text for label in sheet.labels]
    assert texts == ["a", "seed 7", "without", "at 1", "b", "seed 7", "without", "at 1", "e1", "e2"]


def test_a_hundred_epochs_fit_and_too_many_are_refused() -> None:
    sheet = lay_out(["e"] * 100, ["a", "b"], [1, 2], [0, 0.5, 1], (1024, 1024), 50)
    assert sheet.height <= LONGEST_SHEET
    with pytest.raises(ValueError, match="5000 rows"):
        lay_out(["e"] * 5000, ["a"], [1], [1], (512, 512), 50)


@given(st.text(max_size=60), st.integers(0, 80))
def test_clipped_text_is_a_beginning_and_fits(text: str, width: int) -> None:
    shown = clip(text, width, len)
    assert len(shown) <= width
    if len(text) <= width:
        assert shown == text
    else:
        assert text.startswith(shown.removesuffix("..."))
        assert width < 4 or not text[: width - 3].strip() or shown.endswith("...")


@given(st.text())
def test_a_label_holds_nothing_a_terminal_would_obey(text: str) -> None:
    assert one_line(text).isprintable()


def test_pictures_lie_where_the_layout_says(tmp_path: Path) -> None:
    from PIL import Image

    sheet = lay_out(["red", "a name \U0001f600 日本"], ["p"], [1], [1.0], (64, 64), name_width(["red"]))
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    draw_sheet(tmp_path / "sheet.png", sheet, {sheet.cells[0]: tmp_path / "red.png"})
    with Image.open(tmp_path / "sheet.png") as drawn:
        assert drawn.size == (sheet.width, sheet.height)
        for cell, colour in zip(sheet.cells, ((255, 0, 0), (225, 225, 225)), strict=True):
            middle = (cell.box.left + cell.box.width // 2, cell.box.top + cell.box.height // 2)
            assert drawn.getpixel(middle) == colour
        margin = drawn.crop((0, sheet.cells[0].box.top, sheet.cells[0].box.left, sheet.height))
        assert len(set(margin.tobytes())) > 2  # the names are written there
    assert sorted(path.name for path in tmp_path.iterdir()) == ["red.png", "sheet.png"]
