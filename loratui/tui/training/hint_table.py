"""What could be wrong: what was recognised in this run, and before that the five usual troubles."""

from __future__ import annotations

from textwrap import fill

from textual.content import Content

from loratui.runs.hints import HintRule, rule
from loratui.runs.view import RunView
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, plain

USUAL = ("oom_cuda", "mod_lion", "accelerate_missing", "loss_nan", "no_effect")


def _rows(view: RunView) -> list[tuple[HintRule, str, bool]]:
    """(row, the line it was recognised by, whether it was), recognised ones first."""
    rows: list[tuple[HintRule, str, bool]] = []
    found = {hint.key: hint for hint in view.hints}
    for key in (*found, *(key for key in USUAL if key not in found)):
        try:
            row = rule(key)
        except (OSError, ValueError):
            return []
        if row is not None:
            rows.append((row, found[key].line if key in found else "", key in found))
    return rows


def table(view: RunView, width: int, rows: int) -> Content:
    """A head and ``rows`` rows in three columns."""
    see, likely = max(20, width * 30 // 100), max(20, width * 35 // 100)
    rest = max(10, width - see - likely - 6)
    parts = [(f"  {'IF YOU SEE':<{see}}  {'LIKELY':<{likely}}  TRY", "$text-muted")]
    for row, _, matched in _rows(view)[:rows]:
        sign, style = (glyphs().unusual, "bold $warning") if matched else (" ", "$text-muted")
        cells = f"{clip(row.title, see):<{see}}  {clip(row.cause, likely):<{likely}}  {clip(row.fix, rest)}"
        parts.append((f"\n{sign} {cells}", style))
    return Content.assemble(*parts)


def _entry(label: str, words: str, width: int) -> str:
    return fill(words, max(30, width), initial_indent=f"  {label:<8}", subsequent_indent=" " * 10) + "\n"


def page(view: RunView, width: int) -> Content:
    """All of it, in full sentences."""
    rows = _rows(view)
    if not rows:
        return Content("The table of hints cannot be read; it lies in presets/hints.toml.")
    parts: list[tuple[str, str]] = []
    if not view.hints:
        parts.append(("Nothing known was recognised in this run. The usual troubles:\n\n", ""))
    for row, line, matched in rows:
        parts.append(
            (
                f"{glyphs().unusual + ' ' if matched else ''}{row.title}\n",
                "bold $warning" if matched else "bold",
            )
        )
        if line:
            parts.append((_entry("seen", plain(line), width), "$text-muted"))
        parts.append((_entry("likely", row.cause, width) + _entry("try", row.fix, width) + "\n", ""))
    return Content.assemble(*parts)
