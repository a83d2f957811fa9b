"""Two runs in words: pure functions from a comparison to what its screen shows."""

from __future__ import annotations

from rich.cells import cell_len
from textual.content import Content

from loratui.runs.hints.fixing import word
from loratui.runs.losses import steps_of
from loratui.runs.reporting.comparison import Comparison
from loratui.runs.reporting.equal_steps import at_last_common_step, what_it_means
from loratui.runs.view import RunView
from loratui.tui import text
from loratui.tui.glyphs import glyphs
from loratui.tui.training.words import STYLES, sign
from loratui.tui.widgets.chart_scale import Look, short
from loratui.tui.widgets.rows import Row


def head(found: Comparison, width: int, look: Look | None = None) -> Content:
    """A line for each run; how both stand where both have been, or the values under the cursor; and what that
    means."""
    through, dashed = ("───", "─ ─") if glyphs().unicode else ("AAA", "BBB")
    parts: list[tuple[str, str]] = []
    longest = min(max(map(cell_len, found.names)), max(12, width - 56))
    for letter, line, run, name, view in zip(
        "AB", (through, dashed), found.runs, found.names, found.views, strict=True
    ):
        shown = text.column(text.plain(name), longest)
        parts.append((f"{letter} {line} ", "bold"))
        parts.append((f"{shown} ", "bold"))
        parts.append((f"{sign(view.state)} {view.state.upper():<8} ", STYLES.get(view.state, "")))
        used = 6 + longest + 1 + 11
        parts.append((f"{text.clip(f'{progress(view)}   {run.id}', width - used)}\n", ""))
    standing = found.standing
    parts.append((text.clip(at_cursor(found, look or Look()), width) + "\n", "$text-muted"))
    parts.append((text.clip(text.plain(what_it_means(standing)), width), ""))
    return Content.assemble(*parts)


def progress(view: RunView) -> str:
    """``400/400 steps   loss 0.31 to 0.29``: means over the first and last 25 steps."""
    steps = f"{view.step:,}/{view.total_steps:,}" if view.total_steps else f"{view.step:,}"
    first, last = view.losses.ends()
    fell = f"   loss {text.loss(first)} to {text.loss(last)}" if first and last else ""
    return f"{steps} steps{fell}"


def at_cursor(found: Comparison, look: Look) -> str:
    """How both stand, or both values under the cursor in the words of the panel's chart."""
    parts = []
    if look.cursor is None:
        parts.append(at_last_common_step(found.standing))
    else:
        parts.append(f"step {look.cursor:,}")
        for letter, view in zip("AB", found.views, strict=True):
            steps = steps_of(view.losses)
            at = view.losses.at(look.cursor)
            if at is None or steps is None or look.cursor > steps[1]:
                parts.append(f"{letter} has not been there")
                continue
            span, smooth = at
            parts.append(f"{letter} {short(span.mean)} smoothed {short(smooth)}")
    if look.window is not None:
        parts.append(f"zoomed to {look.window[0]:,}-{look.window[1]:,}")
    if look.logarithmic:
        parts.append("log scale")
    return "   ".join(parts)


def _widths(found: Comparison, width: int) -> tuple[int, int]:
    """Columns of the key, and of each value."""
    key = min(max((14, *(len(key) for key, _, _ in found.changes))), max(16, width // 3))
    return key, max(8, (width - key - 6) // 2)


def differences_head(found: Comparison, width: int) -> str:
    """The titles of the columns below."""
    if not found.changes:
        return "Both were told the same."
    key, value = _widths(found, width)
    return f"  {text.clip(text.number(len(found.changes), 'difference'), key):<{key}}  {'A':<{value}}  B"


def difference_rows(found: Comparison, width: int) -> list[Row]:
    """A row for each setting that differs."""
    key, value = _widths(found, width)
    rows: list[Row] = []
    for name, one, other in found.changes:
        shown = [_shown(item, value) for item in (one, other)]
        rows.append(
            (
                (f"{text.column(text.plain(name), key)}  ", ""),
                (f"{text.column(shown[0], value)}  {shown[1]}", "strong"),
            )
        )
    return rows


def _shown(value: object, width: int) -> str:
    """The end of a path says more than its beginning."""
    words = text.plain(word(value))
    return text.clip_path(words, width) if words.startswith("/") else text.clip(words, width)
