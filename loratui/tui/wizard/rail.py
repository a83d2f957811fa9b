"""Where a person is and what it will take: a column at the left, or two lines where there is no room."""

from __future__ import annotations

from textual.content import Content

from loratui.advice.pace import duration
from loratui.families import FAMILIES
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, number, plain, size
from loratui.tui.wizard.answers.facts import DatasetFacts
from loratui.tui.wizard.answers.outlook import Outlook
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.steps import STEPS

_WIDTH = 21


def column(state: WizardState, seen: Outlook, current: int, reached: int) -> Content:
    """The steps with what was chosen in each; below them the machine."""
    parts: list[tuple[str, str]] = [("loratui   new run\n\n", "bold")]
    for step, name in enumerate(STEPS, start=1):
        sign = _sign(state, step, reached)
        if step == current:
            parts.append((f"> {step} {name}\n", "bold $accent"))
        else:
            parts.append((f"{sign} {step} {name}\n", "" if step <= reached else "$text-muted"))
        chosen = _chosen(state, step) if step <= max(reached, current) else ""
        parts.append((f"    {clip(chosen, 17)}\n", "$text-muted"))
    parts.append(("\n", ""))
    parts += [(f"{clip(words, _WIDTH)}\n", style) for words, style in _machine(state, seen)]
    return Content.assemble(*parts)


def breadcrumb(state: WizardState, seen: Outlook, current: int, reached: int) -> Content:
    """The same on two lines."""
    words = []
    for step, name in enumerate(STEPS, start=1):
        sign = _sign(state, step, reached)
        words.append(f"[{name}]" if step == current else f"{name} {sign}".rstrip())
    between = f" {glyphs().between} "
    told = between.join(words for words, _ in _machine(state, seen))
    return Content.assemble((f"{between.join(words)}\n", ""), (clip(told, 78), "$text-muted"))


def _machine(state: WizardState, seen: Outlook) -> list[tuple[str, str]]:
    machine = state.machine
    if machine is None:
        return [("looking at the GPU", "$text-muted")]
    told: list[tuple[str, str]] = []
    if machine.gpu is None:
        told.append(("no GPU: CPU", "$warning"))
    else:
        told.append((_short(machine.gpu.gpu), ""))
    if seen.memory is not None:
        peak = f"peak {seen.memory.estimate_gib:.1f}"
        if seen.free_gib is None:
            told.append((f"{peak} GiB", "$text-muted"))
        else:
            sign = glyphs().fine if seen.fits else glyphs().wrong
            told.append((f"{peak} of {seen.free_gib:.1f} GiB {sign}", "" if seen.fits else "$error"))
    elif seen.free_gib is None and machine.gpu is not None:
        told.append((f"{machine.gpu.free_gib:.1f} GiB free", "$text-muted"))
    if seen.pace is not None and seen.pace.total_steps:
        if seen.pace.seconds is None:
            told.append(("time ?", "$text-muted"))
        else:
            cost = f", {seen.pace.cost:.2f}" if seen.pace.cost is not None else ""
            told.append((f"{duration(seen.pace.seconds)}{cost}", ""))
    told.append((f"disk {size(machine.free_bytes)} free", "$error" if seen.disk_is_short else "$text-muted"))
    return told


def _short(name: str) -> str:
    """A GPU's name without its maker's."""
    for word in ("NVIDIA ", "GeForce "):
        name = name.replace(word, "")
    return plain(name)


def _sign(state: WizardState, step: int, reached: int) -> str:
    if step > reached:
        return " "
    return glyphs().wrong if state.problems(step) else glyphs().fine


def _chosen(state: WizardState, step: int) -> str:
    recipe = state.recipe
    match step:
        case 1:
            family = FAMILIES.get(recipe.base.family or "")
            return family.title.replace("Stable Diffusion", "SD") if family else ""  # XL would be cut off
        case 2 if isinstance(state.dataset, DatasetFacts):
            return number(len(state.dataset.scan.train_pictures), "picture")
        case 3:
            return recipe.dataset.purpose
        case 4:
            return plain(recipe.dataset.trigger) or "no trigger"
        case 5 if state.count is not None:
            return number(state.count.total_steps, "step")
        case 6:
            return plain(recipe.output.name)
        case _:
            return ""
