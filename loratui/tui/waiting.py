"""A run that waits in the queue, in the list of runs: its place in words, and the keys that change it."""

from __future__ import annotations

from typing import Literal

from loratui.runs import queue
from loratui.runs.store import Run

Act = Literal["up", "down", "hold", "start"]


def words(run_id: str) -> str:
    """Where it stands, and what may be pressed."""
    now = queue.read()
    if run_id not in now.order:
        return "Its turn has come."
    place = f"Waits for a GPU as number {now.order.index(run_id) + 1} of {len(now.order)}."
    keys = "K sooner, J later, H hold"
    if run_id in now.held:
        place, keys = f"{place} Held: it is passed over.", "K sooner, J later, H release"
    if now.stopped:
        return f"{place} The queue has stopped: {now.stopped[:120]} W goes on."
    if now.ready and not queue.is_worked_off():
        return f"{place} Nobody works the queue off (the machine restarted?): W goes on."
    return f"{place} {keys}."


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
