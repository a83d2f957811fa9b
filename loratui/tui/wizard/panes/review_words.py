"""What Review says below its settings. Pure, over the state."""

from __future__ import annotations

from dataclasses import replace

from rich.cells import cell_len
from textual.content import Content

from loratui.advice import lora_scale
from loratui.advice.presets import presets
from loratui.models.inspect import ModelFile
from loratui.models.named import to_fetch
from loratui.tui.glyphs import glyphs
from loratui.tui.text import plain, sentence, squeeze
from loratui.tui.wizard.answers import mending, outlook
from loratui.tui.wizard.answers.settings import PRESET, PRICE, Setting, standing
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.panes.meanings import MEANINGS
from loratui.tui.wizard.steps import REVIEW

_MOST_PROBLEMS = 2


def why(state: WizardState, one: Setting) -> Content:
    """Why a setting is as it is, or what is wrong with it."""
    if not one.key:
        return Content("t shows every setting. What you change stands here from then on.")
    if one.key == PRESET:
        preset = presets().get(state.preset)
        words = f"{preset.title}. {preset.notes}" if preset else "Values that others train with, by purpose."
        return Content(words)
    if one.key == PRICE:
        return Content("What this machine costs an hour, in any money. It is remembered.")
    if one.key in state.typed:
        return Content.assemble((f"{glyphs().wrong} {sentence(state.typed[one.key][1])}", "$error"))
    advised = state.reason(one.key)
    if advised is None:
        words = MEANINGS.get(one.key, f"{one.key.removeprefix('kohya.')}: handed to the trainer as it is.")
        if one.key == "base.model" and isinstance(state.model, ModelFile):
            told = plain(state.model.evidence[-1])
            words = f"{told[:1].upper()}{told[1:]}. {words}"
        return Content(words)
    usual = ""
    if advised.low is not None and advised.high is not None and advised.low < advised.high:
        usual = f" Usual: {advised.low:g} to {advised.high:g}."
    found = standing(state, one)
    remark = f" ({found.remark})" if found.remark else ""
    return Content.assemble(
        (f"{plain(advised.reason)}{usual}{remark}", ""), (f" [{plain(advised.source)}]", "$text-muted")
    )


def outlook_lines(state: WizardState, width: int) -> Content:
    """Memory, time, disk and effective rate, on as few rows of ``width`` as hold them whole."""
    seen = outlook.outlook(state)
    lines = [(outlook.memory_line(seen), "$error" if seen.fits is False else "")]
    lines.append((outlook.time_line(seen), ""))
    lines.append((outlook.disk_line(seen), "$error" if seen.disk_is_short else ""))
    rate = lora_scale.in_words(state.recipe)
    lines.append((rate, ""))
    return _flowed([line for line in lines if line[0]], width)


def checks(state: WizardState, width: int) -> Content:
    """What stops the start, and what contradicts itself, each on at most two rows of ``width``."""
    signs = glyphs()
    if state.wanted_checks is not None:
        return Content(f"checking{signs.more}")
    problems = [problem for step in range(1, REVIEW + 1) for problem in state.problems(step)]
    unfetched = to_fetch(state.recipe)
    problems = [replace(one, fix="d fetches it.") if one == unfetched else one for one in problems]
    vain = [one for one in mending.contradictions(state) if not one.fatal]
    if not problems and not vain:
        engine = state.recipe.launch.engine
        words = f"{signs.fine} model, pictures and settings fit; {engine} is ready"
        return Content.assemble((words, "$success"))
    lines = [(f"{squeeze(f'{signs.wrong} {sentence(one)}', width, 2)}\n", "$error") for one in problems]
    lines += [
        (f"{squeeze(f'{signs.unusual} {sentence(one.problem)}', width, 2)}\n", "$warning") for one in vain
    ]
    more = len(lines) - _MOST_PROBLEMS
    lines = lines[:_MOST_PROBLEMS]
    rest = [f"and {more} more"] if more > 0 else []
    if mending.mendable(state):
        rest.append("f mends what contradicts itself")
    if rest:
        lines.append((f" {signs.between} ".join(rest), "$text-muted"))
    lines[-1] = (lines[-1][0].rstrip("\n"), lines[-1][1])
    return Content.assemble(*lines)


def _flowed(pieces: list[tuple[str, str]], width: int) -> Content:
    """Pieces one after another, on as few rows as hold them whole."""
    parts: list[tuple[str, str]] = []
    left = 0
    for words, style in pieces:
        between = f" {glyphs().between} "
        if parts and cell_len(words) + len(between) <= left:
            parts += [(between, "$text-muted"), (words, style)]
            left -= cell_len(words) + len(between)
        else:
            parts += [("\n" if parts else "", ""), (words, style)]
            left = width - cell_len(words)
    return Content.assemble(*parts)
