"""What Review ends in: the start, or what stands in its way and the key that deals with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from loratui.tui.wizard.answers import verdict
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.answers.verdict import Sight
from loratui.tui.wizard.steps import REVIEW, STEPS

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ends:
    """The row below everything, and the keys that come first on the line of keys."""

    words: str
    keys: tuple[Key, ...]


START = Ends("[ Enter: Start training ]  [ w: Queue it ]", (("enter", "start"), ("w", "queue")))
SAVE = Ends("[ Enter: Save into the queue ]", (("enter", "save"),))
_FETCH = Ends("[ d: Download the model first ]", ())
_MEND = Ends("[ Enter: Go to the first x ]", (("enter", "first x"),))


def ends(state: WizardState, sight: Sight, *, saves: bool = False) -> Ends:
    """As things stand. ``saves``: the recipe is one that waits in the queue."""
    good = SAVE if saves else START
    if not sight.known:
        return good  # Enter waits, and starts by itself
    found = verdict.enter(state, REVIEW, replace(sight, asked_again=True))
    if found.act == "warn":
        name = STEPS[found.step - 1]
        words = f"[ {found.step}: Look at {name} ]  [ ctrl+y: {'Save' if saves else 'Start'} all the same ]"
        return Ends(words, ((str(found.step), name.lower()), ("ctrl+y", "all the same")))
    if found.act == "refuse":
        return _FETCH if sight.awaited else _MEND
    return _MEND if found.act == "return" else good
