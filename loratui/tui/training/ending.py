"""How a run ended, and what to do next: pure functions from its view to the lines below the log."""

from __future__ import annotations

import re
from pathlib import Path

from textual.content import Content

from loratui.events import ENDED
from loratui.runs.hints.rules import NO_EFFECT
from loratui.runs.view import RunView
from loratui.tui import text
from loratui.tui.glyphs import glyphs
from loratui.tui.training.words import STYLES, absolute, sign

_WHERE = re.compile(r"\b(?:at step \d|before its first step)")
"""A reason that says how far it came."""


def notice(view: RunView, folder: Path, note: str, trigger: str, resumable: bool) -> Content:
    """While it runs: that it goes on without us. At the end: the verdict, the file, the way on."""
    parts: list[tuple[str, str]] = []
    if view.state in ENDED:
        parts.append((f"{verdict(view)}\n", f"bold {STYLES.get(view.state, '')}"))
        if view.final_file:
            kind = "File" if view.state == "failed" else "LoRA"
            parts.append((f"{kind}: {text.home_path(absolute(view.final_file, folder))}\n", ""))
        parts.append((way_on(view, trigger, resumable), ""))
    elif view.state == "queued":
        parts.append(
            ("It starts by itself when its turn comes, also when this window is closed.", "$text-muted")
        )
    elif view.state == "stopping":
        parts.append(("It stops after this step and saves first.", ""))
    else:
        parts.append(("Training goes on if this window closes. Reattach any time: loratui", "$text-muted"))
    last = next((m for m in reversed(view.messages) if m.level != "info"), None)
    if last is not None and view.state not in ENDED:
        level = glyphs().wrong if last.level == "error" else glyphs().unusual
        parts.append((f"\n{level} {text.clip(text.plain(last.text), 200)}", "$warning"))
    if note:
        parts.append((f"\n{note}", "$warning"))
    return Content.assemble(*parts)


def verdict(view: RunView) -> str:
    """How it ended, in one sentence."""
    reached = f"{view.step:,} of {view.total_steps:,} steps" if view.total_steps else f"{view.step:,} steps"
    reason = text.clip(text.plain(view.reason), 300)
    if view.state in ("stopped", "failed") and _WHERE.search(reason):
        return f"{sign(view.state)} {reason}"
    match view.state:
        case "finished":
            first, last = view.losses.ends()
            fell = (
                f"; loss {text.loss(first)} at first, {text.loss(last)} at the end" if first and last else ""
            )
            done = f"Finished: {text.number(view.step, 'step')}{fell}."
            idle = next((hint for hint in view.hints if hint.key == NO_EFFECT), None)
            if idle is not None:
                why = text.clip(text.plain(idle.line), 200)
                return f"{glyphs().unusual} {done} But it will hardly show: {why}."
            return f"{glyphs().fine} {done}"
        case "stopped":
            return f"{glyphs().unusual} Stopped after {reached}. {reason}".rstrip()
        case "failed":
            return f"{glyphs().wrong} Failed after {reached}. {reason}".rstrip()
        case "lost":
            return f"{glyphs().wrong} Lost after {reached}. {reason}".rstrip()
        case _:
            return ""


def way_on(view: RunView, trigger: str, resumable: bool) -> str:
    """What to do or press next."""
    if view.state == "finished" and any(hint.key == NO_EFFECT for hint in view.hints):
        return "v shows how strong it is; h says what to do; r opens its recipe again to change it."
    if view.state == "finished":
        word = f" and write {text.clip(text.plain(trigger), 30)} in the prompt" if trigger else ""
        return (
            f"Next: copy it into your image program's LoRA folder{word}."
            " v shows how good it is; r trains it again with changes."
        )
    if resumable and view.fatal_hints:
        return "f mends what stopped it; r resumes from the last saved state as it was; l shows the log."
    if resumable:
        return "r resumes from the last saved state; l shows the log."
    if view.state == "failed" and any(hint.severity != "info" for hint in view.hints):
        return "f shows what can be done about it; l shows the log; r opens its recipe again."
    if view.state == "failed":
        return "l shows the log; h says what known troubles look like; r opens its recipe again to change it."
    return "No state was saved. r opens its recipe again."
