"""The keys that the line at the bottom of the wizard names. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.tui.wizard.state import REVIEW, STEPS

_DATASET = STEPS.index("Dataset") + 1


def keys(
    step: int,
    seen: int,
    own: Sequence[tuple[str, str]],
    ends: Sequence[tuple[str, str]],
    *,
    typing: bool,
) -> list[tuple[str, str]]:
    """Those of a step whose own keys are ``own``; ``seen`` is the furthest step reached, ``ends`` are what
    Review ends in. While a text is being ``typing``, letters are text."""
    found = list(ends) if step == REVIEW else [("enter", "next")]
    if step != REVIEW:
        found.append(("tab", "field"))
        if not typing:
            found.append(("up/down", "choose"))
    if step == _DATASET:
        found.append(("ctrl+t", "mend"))
    if not typing:
        found += own
    if step == REVIEW and not typing:
        found.append(("c", "config"))
    if step > 1:
        found.append(("esc", "back"))
    found.append(("f1" if typing else "?", "help"))
    if not typing and seen > 1:
        found.append((f"1-{seen}", "step"))
    found.append(("ctrl+c" if typing else "q", "quit"))
    if step == REVIEW and not typing:
        found.append(("y", "copy"))
    return found
