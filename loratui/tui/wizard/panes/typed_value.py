"""A value as it was typed on Review, into the recipe or refused with a sentence."""

from __future__ import annotations

from dataclasses import replace

from loratui.problems import Problem, UserError
from loratui.tui.wizard.answers.settings import PRICE, setting
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.panes import pasted


def take(state: WizardState, key: str, text: str) -> Problem | None:
    """Put a value into the recipe. What is wrong with it, or None; nothing of a wrong one is kept."""
    if key == PRICE:
        return _take_price(state, text)
    one = setting(state.recipe, key)
    text = pasted.bare_path(text) if key in pasted.KEYS else text
    if one.optional and not text.strip():
        try:
            state.set(key, None)
        except UserError as error:
            return error.problems[0]
        return None
    state.type(key, text, one.kind)
    return state.typed.pop(key)[1] if key in state.typed else None


def _take_price(state: WizardState, text: str) -> Problem | None:
    from loratui.runs.hardware.machine import remember_price

    try:
        price = remember_price(text)
    except UserError as error:
        return error.problems[0]
    if state.machine is not None:
        state.take_machine(replace(state.machine, price=price))
    return None
