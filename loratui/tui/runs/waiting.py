"""A run that waits in the queue, in the list of runs: its place in words, and the keys that change it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from loratui.runs import store
from loratui.runs.layout import EDITED
from loratui.runs.queueing import queue, turn
from loratui.runs.store import Run
from loratui.tui.text import clip, duration, plain

Act = Literal["up", "down", "hold", "start", "after-failure"]


def words(run_id: str, fresh: bool = False) -> str:
    """Where it stands, and what may be pressed. Of a ``fresh`` one it cannot be said yet that nobody works
    the queue off: who does is still coming up."""
    now = turn.of(run_id)
    if not now.place:
        return "Its turn has come."
    place = f"Waits for a GPU as number {now.place} of {now.of}{after(now)}."
    if now.held:
        place = f"{place} Held: it is passed over. H releases it."
    if now.stopped:
        return f"{place}\nThe queue has stopped: {clip(plain(now.stopped), 120)} W goes on."
    if not now.worked_off and not fresh:
        return f"{place}\nNobody works the queue off (the machine restarted?): W goes on."
    return place


def after(now: turn.Turn) -> str:
    """``, after hero (16 min left) and anna``: who comes before it; empty where nobody does."""
    first = next((one for one in now.training if one.seconds_left is not None), None)
    left = f" ({duration(first.seconds_left)} left)" if first and first.seconds_left is not None else ""
    shown = [f"{one.name}{left if one is first else ''}" for one in now.training]
    shown += now.before
    more = f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    if not shown:
        return ""
    if more:
        return f", after {plain(', '.join(shown[:3]))}{more}"
    return f", after {plain(' and '.join(filter(None, (', '.join(shown[:-1]), shown[-1]))))}"


def placed(run: Run, wanted_name: str) -> str:
    """What became of a run that was put into the queue, or changed in it."""
    name = store.summary(run).name
    now = turn.of(run.id)
    said = f"{plain(name)}: {words(run.id, fresh=True)}"
    if now.place == 1 and not now.training and not now.held and not now.stopped:
        said = f"{plain(name)}: a GPU is free, it starts in a moment."
    if name != wanted_name:
        said = f"{said}\nIt is named {plain(name)}: {plain(wanted_name)} is taken."
    return said


def unsaved(folder: Path) -> str:
    """That somebody changed it and did not save that; it lies beside its recipe."""
    return "Changes to it were not saved: e shows them." if (folder / EDITED).is_file() else ""


def about_queue() -> str:
    """What the queue does after a failure, in words; empty while nothing waits."""
    now = queue.read()
    if not now.order:
        return ""
    does, other = ("goes on", "stop") if now.after_failure == "go-on" else ("stops", "go on")
    return f"When a run has failed, the queue {does} (F: {other})."


def act(run: Run, wish: Act) -> None:
    """Do as wished. Raises ``UserError`` when the run no longer waits."""
    now = queue.read()
    place = now.order.index(run.id) + 1 if run.id in now.order else 1
    match wish:
        case "up":
            queue.move(run, place - 1)
        case "down":
            queue.move(run, place + 1)
        case "hold" if run.id in now.held:
            queue.release(run)
        case "hold":
            queue.hold(run)
        case "start":
            queue.start()
        case "after-failure":
            queue.set_after_failure("stop" if now.after_failure == "go-on" else "go-on")
