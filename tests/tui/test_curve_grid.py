"""The chart's cells: what they say must be what the losses were."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loratui.runs.losses import LossHistory
from loratui.tui.widgets.chart_frame import Cell
from loratui.tui.widgets.chart_scale import LABEL_WIDTH, scale
from loratui.tui.widgets.curve_grid import BLANK, RAW, SMOOTH, draw


def history(*losses: float) -> LossHistory:
    kept = LossHistory()
    for step, loss in enumerate(losses, start=1):
        kept.add(step, loss)
    return kept


def plot(cells: list[list[Cell]]) -> list[list[Cell]]:
    """Without labels and axes."""
    return [row[LABEL_WIDTH + 1 :] for row in cells[:-2]]


def middle_of_column(cells: list[list[Cell]], x: int, kinds: tuple[int, ...]) -> float | None:
    rows = [y for y, row in enumerate(cells) if row[x][1] in kinds]
    return sum(rows) / len(rows) if rows else None


def test_a_falling_loss_draws_downwards() -> None:
    cells = plot(draw(history(*(1.0 - step / 200 for step in range(200))), 200, 60, 12))
    heights = [middle_of_column(cells, x, (SMOOTH,)) for x in range(len(cells[0]))]
    assert None not in heights
    assert heights == sorted(heights, key=lambda y: y or 0)
    assert heights[-1] is not None
    assert heights[0] is not None
    assert heights[-1] > heights[0] + 5


def test_the_least_and_the_greatest_of_a_column_are_kept() -> None:
    losses = [0.5] * 400
    losses[200], losses[201] = 0.0, 1.0
    cells = plot(draw(history(*losses), 400, 60, 14))
    x = 200 * len(cells[0]) // 400
    drawn = [y for y, row in enumerate(cells) if row[x][1] in (RAW, SMOOTH)]
    assert drawn == list(range(len(cells)))
    others = [y for y, row in enumerate(cells) if row[5][1] != BLANK]
    assert len(others) == 1


def test_a_constant_loss_is_a_flat_line_with_sensible_labels() -> None:
    cells = draw(history(*[0.25] * 50), 50, 50, 10)
    assert len({y for y, row in enumerate(plot(cells)) for cell in row if cell[1] == SMOOTH}) == 1
    labels = ["".join(character for character, _ in row[:LABEL_WIDTH]).strip() for row in cells[:-2]]
    values = [float(label) for label in labels if label]
    assert min(values) < 0.25 < max(values)


def test_one_point_is_seen() -> None:
    cells = plot(draw(history(0.7), 100, 40, 8))
    assert sum(cell[1] == SMOOTH for row in cells for cell in row) == 1


def test_nothing_yet_says_so() -> None:
    assert "no loss yet" in "\n".join("".join(c for c, _ in row) for row in draw(LossHistory(), None, 40, 8))


def test_ascii_uses_ascii_alone() -> None:
    cells = draw(history(*(1 / step for step in range(1, 300))), None, 80, 12, braille=False)
    assert all(character.isascii() for row in cells for character, _ in row)
    assert "*" in "".join(character for row in cells for character, _ in row)


@given(
    losses=st.lists(st.floats(min_value=-1e6, max_value=1e6, allow_nan=False), max_size=300),
    width=st.integers(min_value=10, max_value=200),
    height=st.integers(min_value=3, max_value=40),
    total=st.one_of(st.none(), st.integers(min_value=1, max_value=10_000)),
)
@settings(max_examples=120, deadline=None)
def test_every_size_gets_exactly_its_cells(
    losses: list[float], width: int, height: int, total: int | None
) -> None:
    cells = draw(history(*losses), total, width, height)
    assert len(cells) == height
    assert {len(row) for row in cells} == {width}
    assert "nan" not in "".join(character for row in cells for character, _ in row)


@pytest.mark.parametrize(("reached", "total", "last"), [(10, 2000, 31), (300, 2000, 500), (1999, 2000, 2000)])
def test_the_step_axis_stretches_in_doublings_up_to_the_total(reached: int, total: int, last: int) -> None:
    edges = scale(history(*[0.5] * reached), total)
    assert reached <= edges.last_step <= total
    assert edges.last_step == pytest.approx(last, abs=2)


def test_more_losses_of_the_same_range_change_few_cells() -> None:
    losses = [0.5 + 0.3 * (-1) ** step for step in range(500)]
    before = draw(history(*losses), 600, 100, 12)
    after = draw(history(*losses, 0.5), 600, 100, 12)
    changed = sum(
        a != b for one, two in zip(before, after, strict=True) for a, b in zip(one, two, strict=True)
    )
    assert changed <= 12
