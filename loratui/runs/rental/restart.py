"""What is done once after the machine has restarted: word of runs that were lost, resuming them where that
was asked for, and the queue goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from loratui.problems import UserError
from loratui.runs import store
from loratui.runs.layout import Run
from loratui.runs.queueing import queue
from loratui.runs.supervision import afterwards

GPU_WITHIN = 60.0
"""Seconds a driver may take to come up."""
RETRIES = (0.0, 15.0, 60.0, 180.0)
"""Seconds before each try to send word: the network may come up later than we."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Restart:
    """What was found and done."""

    lost: tuple[Run, ...]
    """Runs that were lost, and nobody knew."""
    resumed: tuple[Run, ...]
    waiting: int
    """Runs that wait and may start."""
    known: tuple[Run, ...] = ()
    """Runs that are lost and were told of before: a person may have left them so, and they stay."""


def after_restart(resume: bool, tell: Tell) -> Restart:
    """Do it; asked again, nothing is done twice. With ``resume`` the runs that were lost go on from their
    last state: not those that somebody was told of before, who may have decided otherwise. Raises
    ``UserError`` when the queue cannot be worked off."""
    lost = afterwards.lost_unknown(time.time())
    known = tuple(run for run in store.all_runs() if run not in lost and store.state(run)[0] == "lost")
    words, resumed = {}, []
    for run in lost:
        said = _words(run)
        if resume:
            trouble = _resume(run)
            if not trouble:
                resumed.append(run)
            said = f"{said} {trouble or 'It is resumed now.'}"
        words[run.id] = said
        tell(said)
    waiting = len(queue.read().ready)
    queue.wake()
    if waiting:
        tell(f"{waiting} in the queue: the next starts as soon as a GPU is free.")
    _send(lost, words, tell)
    return Restart(tuple(lost), tuple(resumed), waiting, known)


def _words(run: Run) -> str:
    from loratui.runs import notify

    return notify.words(store.summary(run))


def _resume(run: Run) -> str:
    """Go on with a run. Returns why not; empty when it goes on."""
    from loratui.engines.registry import engine
    from loratui.runs import launch

    if launch.newest_state(run) is None:
        return "It saved no state to go on from."
    if _had_gpu(run) and not _gpu_is_there():
        return "It was not resumed: this machine came up without its GPU."
    try:
        launch.resume(run, engine(store.summary(run).engine))
    except UserError as error:
        return f"It was not resumed: {error}"
    return ""


def _had_gpu(run: Run) -> bool:
    """Whether it trained with a GPU."""
    status = store.read_status(run)
    return status is not None and bool(status.gpu)


def _gpu_is_there() -> bool:
    from loratui.runs.hardware import gpu

    deadline = time.monotonic() + GPU_WITHIN
    while not gpu.sample().gpus:
        if time.monotonic() > deadline:
            return False
        time.sleep(5.0)
    return True


def _send(lost: list[Run], words: dict[str, str], tell: Tell) -> None:
    """Word of each to whom notify.toml names, again where the network was not there yet."""
    from loratui.runs import notify

    try:
        targets = notify.read_settings().send
    except UserError as error:
        tell(str(error))
        return
    open_ones = [(run, target) for run in lost for target in targets]
    for wait in RETRIES:
        if not open_ones:
            return
        time.sleep(wait)
        troubles = [
            (run, target, notify.send(target, store.summary(run), text=words[run.id]))
            for run, target in open_ones
        ]
        open_ones = [(run, target) for run, target, trouble in troubles if trouble]
        for _, _, trouble in troubles:
            if trouble:
                tell(trouble)
