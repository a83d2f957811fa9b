"""The axes of the chart: zoom, logarithms, the cursor's columns."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.losses import LossHistory
from loratui.tui.widgets.chart_scale import Look, Scale, moved, scale, value_labels, zoomed


def history(*losses: float) -> LossHistory:
    kept = LossHistory()
    for step, loss in enumerate(losses, start=1):
        kept.add(step, loss)
    return kept


@given(st.integers(1, 5000), st.integers(0, 4999), st.booleans(), st.integers(1, 5000))
def test_a_zoomed_window_lies_within_the_run_and_holds_its_middle(
    end: int, first: int, closer: bool, middle: int
) -> None:
    first, middle = min(first, end - 1) + 1, min(middle, end)
    window = zoomed(Scale(0, 1, end, first), closer, middle, end)
    if window is not None:
        assert 1 <= window[0] <= middle <= window[1] <= end


@given(st.integers(1, 1000), st.integers(1, 200), st.integers(-2000, 2000))
def test_a_moved_window_keeps_its_width(end: int, count: int, by: int) -> None:
    count = min(count, end)
    first, last = moved((1, count), by, end)
    assert last - first + 1 == count
    assert first >= 1
    assert last <= end


def test_a_window_scales_to_what_it_shows() -> None:
    losses = history(9.0, *[0.5 + 0.01 * (step % 2) for step in range(199)])
    assert scale(losses, 200).high >= 9.0
    edges = scale(losses, 200, Look(window=(100, 200)))
    assert edges.high < 0.6
    assert (edges.first_step, edges.last_step) == (100, 200)


def test_a_logarithmic_scale_spreads_small_values_and_labels_them() -> None:
    losses = history(*(10.0**-power for power in range(6)))
    edges = scale(losses, 6, Look(logarithmic=True))
    heights = [edges.height(10.0**-power) for power in range(6)]
    gaps = {round(a - b, 6) for a, b in pairwise(heights)}
    assert len(gaps) == 1
    labels = [float(label) for label in value_labels(edges, 20).values()]
    assert min(labels) <= 1e-5
    assert max(labels) >= 1


def test_values_that_have_no_logarithm_lie_at_the_foot() -> None:
    edges = scale(history(1.0, 0.0, 0.1), 3, Look(logarithmic=True))
    assert edges.height(0.0) == 0.0
    assert not scale(history(0.0, 0.0), 2, Look(logarithmic=True)).logarithmic
