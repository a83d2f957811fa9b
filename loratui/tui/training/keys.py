"""Which keys the panel's last line names, the most useful first."""

from __future__ import annotations

from loratui.events import ENDED
from loratui.runs.view import RunView


def keys(view: RunView, *, resumable: bool, full: str) -> list[tuple[str, str]]:
    """Pairs of key and words; ``full`` is the key of the part that has the whole screen, if one has."""
    ended = view.state in ENDED
    if ended:
        shown = [("q", "leave"), ("r", "resume" if resumable else "again")]
        shown += [("v", "result")] if view.checkpoints or view.final_file else []
    else:
        shown = [("q", "leave (run goes on)"), ("S", "stop")]
    if any(hint.severity != "info" for hint in view.hints):
        shown.insert(1, ("f", "fix"))
    shown += [("l", "panel" if full == "l" else "log"), ("c", "panel" if full == "c" else "chart")]
    hints = ("h", "hints !" if view.hints else "hints")
    paths, rest = [("p", "paths")], [("?", "help"), ("esc", "runs")]
    return [*shown, hints, *(rest + paths if ended else paths + rest)]  # the result says the paths too
