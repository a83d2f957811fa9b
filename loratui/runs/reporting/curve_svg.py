"""Curves over steps as one SVG, for pages to carry home."""

from __future__ import annotations

import html
from collections.abc import Sequence

from loratui.runs.losses import LossHistory

_WIDTH, _HEIGHT = 760, 260
_LEFT, _BOTTOM, _TOP = 64, 24, 10
_LOOKS = (("#3b6ea5", ""), ("#c2702b", "7 3"), ("#3f8a4d", "2 3"), ("#8a4fa0", "9 3 2 3"))
"""Colour and dashes; lines can be told apart without either."""


def svg(label: str, named: Sequence[tuple[str, LossHistory]], *, smoothed: bool) -> str:
    """The curves that have two spans or more, four at most; an empty string when none has.

    With ``smoothed`` the raw means lie faint under the smoothed line, whose range is the chart's. Names are
    escaped here.
    """
    shown = [(name, history) for name, history in named if len(history) > 1][: len(_LOOKS)]
    if not shown:
        return ""
    lines = [
        history.smoothed() if smoothed else [span.mean for span in history.spans] for _, history in shown
    ]
    last = max(history.spans[-1].first_step for _, history in shown)
    first = min(history.spans[0].first_step for _, history in shown)
    lowest, highest = min(min(line) for line in lines), max(max(line) for line in lines)
    margin = (highest - lowest or abs(highest) or 1.0) * 0.15
    low, high = lowest - margin, highest + margin

    def height(value: float) -> float:
        return _TOP + (high - min(max(value, low), high)) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def points(history: LossHistory, values: Sequence[float]) -> str:
        placed = []
        for span, value in zip(history.spans, values, strict=True):
            x = _LEFT + (span.first_step - first) / max(1, last - first) * (_WIDTH - _LEFT - 10)
            placed.append(f"{x:.1f},{height(value):.1f}")
        return " ".join(placed)

    drawn = []
    for (name, history), line, (colour, dashes) in zip(shown, lines, _LOOKS, strict=False):
        stroke = f'fill="none" stroke="{colour}"'
        if smoothed:
            raw = points(history, [span.mean for span in history.spans])
            drawn.append(f'<polyline points="{raw}" {stroke} stroke-opacity=".25"/>')
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        title = f"<title>{html.escape(name)}</title>"
        drawn.append(
            f'<polyline points="{points(history, line)}" {stroke} stroke-width="2"{dashed}>{title}</polyline>'
        )
    ends = {highest: height(highest), lowest: height(lowest)}
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(label)} over steps">'
        f"{''.join(drawn)}{_names([name for name, _ in shown])}{_axes(first, last, ends)}</svg>"
    )


def _names(names: Sequence[str]) -> str:
    """In the corner, each with a piece of its line."""
    rows = []
    for number, (name, (colour, dashes)) in enumerate(zip(names, _LOOKS, strict=False)):
        y = _TOP + 14 + 16 * number
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        rows.append(
            f'<path d="M{_WIDTH - 40} {y - 4}h28" stroke="{colour}" stroke-width="2"{dashed}/>'
            f'<text x="{_WIDTH - 46}" y="{y}" text-anchor="end" style="fill:{colour}">'
            f"{html.escape(name)}</text>"
        )
    return "".join(rows)


def _axes(first: int, last: int, ends: dict[float, float]) -> str:
    """The first and last step, and the highest and lowest value, each at its height in pixels."""
    values = "".join(f'<text x="4" y="{y + 4:.1f}">{value:.3g}</text>' for value, y in ends.items())
    return (
        f"{values}"
        f'<text x="{_LEFT}" y="{_HEIGHT - 6}">step {first}</text>'
        f'<text x="{_WIDTH - 10}" y="{_HEIGHT - 6}" text-anchor="end">{last}</text>'
    )
