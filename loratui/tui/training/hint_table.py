"""What could be wrong: what was recognised in this run, and before that the five usual troubles."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill

from textual.content import Content

from loratui.events import Hint
from loratui.runs.hints.matcher import HintRule, rule, rule_for
from loratui.runs.hints.states import Decision, state_of
from loratui.runs.view import RunView
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, plain

USUAL = ("oom_cuda", "mod_lion", "accelerate_missing", "loss_nan", "no_effect")


def _rows(view: RunView) -> list[tuple[HintRule, Hint | None]]:
    """(row, the hint by which it was met), those met first."""
    rows: list[tuple[HintRule, Hint | None]] = []
    found = {hint.key: hint for hint in view.hints}
    try:
        for hint in found.values():
            row = rule_for(hint)
            if row is not None:
                rows.append((row, hint))
        for key in USUAL:
            row = rule(key)
            if row is not None and key not in found:
                rows.append((row, None))
    except (OSError, ValueError):
        return []
    return rows


def _state(hint: Hint, view: RunView, decided: Mapping[str, Decision]) -> str:
    return state_of(hint.key, view.hinted_at.get(hint.key, 0.0), dict(decided))


def _sign(state: str) -> tuple[str, str]:
    """The mark of a hint's state and its style."""
    if state == "new":
        return glyphs().unusual, "bold $warning"
    return (glyphs().fine if state == "applied" else glyphs().between), "$text-muted"


def table(view: RunView, width: int, rows: int, decided: Mapping[str, Decision] | None = None) -> Content:
    """A head and ``rows`` rows in three columns; what was decided on stands behind the new ones."""
    see, likely = max(20, width * 30 // 100), max(20, width * 35 // 100)
    rest = max(10, width - see - likely - 6)
    title = "IF YOU SEE" if view.hints else "NONE SO FAR. IF YOU SEE"
    parts = [(f"  {title:<{see}}  {'LIKELY':<{likely}}  TRY", "$text-muted")]
    for row, hint in _rows(view)[:rows]:
        sign, style = (" ", "$text-muted") if hint is None else _sign(_state(hint, view, decided or {}))
        cells = f"{clip(row.title, see):<{see}}  {clip(row.cause, likely):<{likely}}  {clip(row.fix, rest)}"
        parts.append((f"\n{sign} {cells}", style))
    return Content.assemble(*parts)


def _entry(label: str, words: str, width: int) -> str:
    return fill(words, max(30, width), initial_indent=f"  {label:<8}", subsequent_indent=" " * 10) + "\n"


def page(view: RunView, width: int, decided: Mapping[str, Decision] | None = None) -> Content:
    """All of it, in full sentences."""
    rows = _rows(view)
    if not rows:
        return Content("The table of hints cannot be read; it lies in presets/hints.")
    parts: list[tuple[str, str]] = []
    if not view.hints:
        parts.append(("Nothing known was recognised in this run. The usual troubles:\n\n", ""))
    for row, hint in rows:
        if hint is None:
            parts.append((f"{row.title}\n", "bold"))
        else:
            state = _state(hint, view, decided or {})
            sign, style = _sign(state)
            parts.append((f"{sign} {row.title}\n", style))
            parts.append(
                (_entry("state", _state_words(hint.key, state, decided or {}), width), "$text-muted")
            )
            if hint.line:
                parts.append((_entry("seen", plain(hint.line), width), "$text-muted"))
        parts.append((_entry("likely", row.cause, width) + _entry("try", row.fix, width) + "\n", ""))
    return Content.assemble(*parts)


def _state_words(key: str, state: str, decided: Mapping[str, Decision]) -> str:
    decision = decided.get(key)
    if decision is None or state == "new":
        return "new; f shows what can be done"
    return f"{state}: {plain('; '.join(decision.did))}" if decision.did else state
