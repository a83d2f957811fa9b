"""Curves as SVG: within the frame, whatever the values and names are."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.losses import LossHistory
from loratui.runs.reporting.curve_svg import svg

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Co", "Cn"]), max_size=20)
VALUES = st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=40)


def history(values: list[float]) -> LossHistory:
    told = LossHistory()
    for step, value in enumerate(values, 1):
        told.add(step, value)
    return told


@given(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=6), st.booleans())
def test_every_point_lies_in_the_frame(curves: list[tuple[str, list[float]]], smoothed: bool) -> None:
    drawn = ElementTree.fromstring(
        svg("loss", [(name, history(values)) for name, values in curves], smoothed=smoothed)
    )
    lines = drawn.findall("polyline")
    assert len(lines) == min(4, len(curves)) * (2 if smoothed else 1)
    for line in lines:
        for point in line.attrib["points"].split():
            x, y = (float(number) for number in point.split(","))
            assert 0 <= x <= 760 and 0 <= y <= 260
    shown = [line[0].text or "" for line in lines if len(line)]
    assert shown == [name for name, _ in curves][: len(shown)]


def test_the_values_that_were_reached_are_named() -> None:
    drawn = svg("loss", [("hero", history([0.5, 0.25, 0.125]))], smoothed=False)
    assert ">0.5<" in drawn and ">0.125<" in drawn and ">step 1<" in drawn and ">3<" in drawn


def test_one_step_makes_no_curve() -> None:
    assert svg("loss", [("hero", history([0.5]))], smoothed=True) == ""
