"""The keys of the panel, and which of them are worth a place on the key bar now."""

from __future__ import annotations

from typing import Literal

from textual.binding import Binding, BindingType

from loratui.events import ENDED
from loratui.runs.view import RunView
from loratui.tui.training.log_pane import KEYS as LOG_KEYS

Mode = Literal["panel", "log", "chart"]
"""What has the whole screen."""

CHART_KEYS = (
    ("left/right", "cursor"),
    ("+ -", "zoom"),
    ("0", "all"),
    ("g", "log scale"),
)

BINDINGS: list[BindingType] = [
    Binding("q", "leave", "leave", id="run.leave", tooltip="Leave; the run goes on (also ctrl+c)"),
    Binding("S", "stop", "stop", id="run.stop", tooltip="Stop after this step and save; asks first"),
    Binding("w", "now('save')", "save now", id="run.save", tooltip="Checkpoint and state, after this step"),
    Binding("d", "now('sample')", "draw now", id="run.draw", tooltip="Sample pictures after this step"),
    Binding("l", "view('log')", "log", id="run.log", tooltip="The log on the whole screen, and back"),
    Binding("c", "view('chart')", "chart", id="run.chart", tooltip="The chart on the whole screen, and back"),
    Binding("f", "fix", "fix", id="run.fix", tooltip="What can be done about a known trouble, and do it"),
    Binding("h", "hints", "hints", id="run.hints", tooltip="Known troubles and what to do"),
    Binding(
        "v",
        "result",
        "result",
        id="run.result",
        tooltip="The saved files: how good they are, how to get them out",
    ),
    Binding("i", "samples", "pictures", id="run.samples", tooltip="The sample pictures"),
    Binding("n", "notes", "notes", id="run.notes", tooltip="Your notes on this run"),
    Binding("m", "next_curve", "next curve", id="run.curve", tooltip="In the chart: rates, gradient norm"),
    Binding(
        "z",
        "machine",
        "stop machine",
        id="run.machine",
        tooltip="Stop this rented machine after the run",
    ),
    Binding("p", "paths", "paths", id="run.paths", tooltip="Where the files are"),
    Binding(
        "r",
        "again",
        "resume / again",
        id="run.again",
        tooltip="Resume, or open the recipe again; once it has ended",
    ),
    Binding("escape", "back", "runs", id="run.back", tooltip="Back, then to the list of runs"),
    Binding("question_mark,f1", "help", "help", id="run.help", tooltip="This help"),
]


def shown(view: RunView, mode: Mode, resumable: bool, listens: bool) -> list[tuple[str, str]]:
    """Key and words, the most useful first: what does not fit is left out. ``listens`` says that the trainer
    saves and draws when asked."""
    if mode == "log":
        return [("l", "panel"), *LOG_KEYS, ("?", "help")]
    if mode == "chart":
        more = [("m", "rates, gradient norm")] if view.curves else []
        return [("c", "panel"), *CHART_KEYS, *more, ("?", "help")]
    ended, files = view.state in ENDED, bool(view.checkpoints or view.final_file)
    keys = [("q", "leave" if ended else "leave (run goes on)")]
    if any(hint.severity != "info" for hint in view.hints):
        keys.append(("f", "fix"))
    keys.append(("r", "resume" if resumable else "again") if ended else ("S", "stop"))
    if ended and files:
        keys.append(("v", "result"))
    keys += [("l", "log"), ("c", "chart"), ("h", "hints !" if view.hints else "hints")]
    if not ended:
        keys.append(("v", "files") if files else ("p", "paths"))
    keys += [("?", "help"), ("esc", "runs")]
    if ended:
        keys.append(("p", "paths"))
    if view.samples:
        keys.append(("i", "pictures"))
    keys.append(("n", "notes"))
    return [*keys, ("w", "save now"), ("d", "draw now")] if listens and not ended else keys
