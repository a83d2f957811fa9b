"""Where a person is: a column at the left, or one line where there is no room for it."""

from __future__ import annotations

from textual.content import Content

from loratui.families import FAMILIES
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, number, plain
from loratui.tui.wizard.facts import DatasetFacts
from loratui.tui.wizard.state import STEPS, WizardState


def column(state: WizardState, current: int, seen: int) -> Content:
    """The steps with what was chosen in each."""
    parts: list[tuple[str, str]] = [("loratui   new run\n\n", "bold")]
    for step, name in enumerate(STEPS, start=1):
        sign = _sign(state, step, seen)
        if step == current:
            parts.append((f"> {step} {name}\n", "bold $accent"))
        else:
            parts.append((f"{sign} {step} {name}\n", "" if step <= seen else "$text-muted"))
        chosen = _chosen(state, step) if step <= max(seen, current) else ""
        parts.append((f"    {clip(chosen, 17)}\n", "$text-muted"))
    return Content.assemble(*parts)


def breadcrumb(state: WizardState, current: int, seen: int) -> str:
    """The same on one line."""
    words = []
    for step, name in enumerate(STEPS, start=1):
        sign = _sign(state, step, seen)
        words.append(f"[{name}]" if step == current else f"{name} {sign}".rstrip())
    return f" {glyphs().between} ".join(words)


def _sign(state: WizardState, step: int, seen: int) -> str:
    if step > seen:
        return " "
    return glyphs().wrong if state.problems(step) else glyphs().fine


def _chosen(state: WizardState, step: int) -> str:
    recipe = state.recipe
    match step:
        case 1:
            family = FAMILIES.get(recipe.base.family or "")
            return family.title if family else ""
        case 2 if isinstance(state.dataset, DatasetFacts):
            return number(len(state.dataset.scan.train_pictures), "picture")
        case 3:
            return recipe.dataset.purpose
        case 4:
            return plain(recipe.dataset.trigger)
        case 5 if state.count is not None:
            return number(state.count.total_steps, "step")
        case 6:
            return f"{recipe.network.rank} / alpha {recipe.network.alpha:g}"
        case 7:
            return plain(recipe.output.name)
        case _:
            return ""
