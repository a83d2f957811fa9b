"""The keys of the wizard, and which of them the line at its bottom names now."""

from __future__ import annotations

from collections.abc import Sequence

from textual.binding import Binding, BindingType

from loratui.tui.wizard.steps import REVIEW, STEPS

BINDINGS: list[BindingType] = [
    Binding("enter", "next", "next", id="wizard.next", tooltip="Go to the next step; on Review, start"),
    Binding("ctrl+y", "anyway", "anyway", id="wizard.anyway", tooltip="Go on with a set that is not ready"),
    Binding("escape", "back", "back", id="wizard.back", tooltip="Back one step; nothing is lost"),
    *(
        Binding(str(n), f"jump({n})", name, id=f"wizard.step{n}", tooltip=f"Go to {name}")
        for n, name in enumerate(STEPS, start=1)
    ),
    Binding("c", "config", "config", id="wizard.config", tooltip="Show config.toml and the command"),
    Binding("y", "copy", "copy", id="wizard.copy", tooltip="Copy the command that does the same (OSC 52)"),
    Binding("w", "queue", "queue", id="wizard.queue", tooltip="Let it wait in the queue"),
    Binding("d", "fetch", "download", id="wizard.fetch", tooltip="Download the base model"),
    Binding("question_mark,f1", "help", "help", id="wizard.help", tooltip="Explain the focused field"),
    Binding("ctrl+n", "fresh", "start empty", id="wizard.fresh", tooltip="Forget this draft, start empty"),
    Binding("q", "leave", "quit", id="wizard.quit", tooltip="Quit; the draft is kept"),
]

_OF_REVIEW = {"wizard.config", "wizard.copy", "wizard.queue", "wizard.fetch"}
_DATASET = STEPS.index("Dataset") + 1
_TRIGGER = STEPS.index("Trigger") + 1


def obeyed(step: int) -> list[BindingType]:
    """Those that do something on a step."""
    return [
        one for one in BINDINGS if step == REVIEW or not (isinstance(one, Binding) and one.id in _OF_REVIEW)
    ]


def shown(
    step: int,
    seen: int,
    own: Sequence[tuple[str, str]],
    ends: Sequence[tuple[str, str]],
    *,
    typing: bool,
) -> list[tuple[str, str]]:
    """Those of a step whose own keys are ``own``; ``seen`` is the furthest step reached, ``ends`` are what
    Review ends in. While a text is being ``typing``, letters are text."""
    if step == REVIEW and typing:  # Enter is for what is typed
        return [*own, ("f1", "help"), ("ctrl+c", "quit")]
    found = list(ends) if step == REVIEW else [("enter", "next")]
    if step != REVIEW:
        found.append(("tab", "field"))
        if not typing:
            found.append(("up/down", "choose"))
    if step == _DATASET:
        found.append(("ctrl+t", "mend"))
    if step == _TRIGGER:
        found.append(("ctrl+t", "into captions"))
    if not typing:
        found += own
    if step == REVIEW:
        found.append(("c", "config"))
    if step > 1:
        found.append(("esc", "back"))
    found.append(("f1" if typing else "?", "help"))
    if not typing and seen > 1:
        found.append((f"1-{seen}", "step"))
    found.append(("ctrl+c" if typing else "q", "quit"))
    if step == REVIEW:
        found.append(("y", "copy"))
    return found
