"""Works the queue off: starts the next run whenever a GPU is free. ``python -m loratui.runs.queue_worker``

It ends once nothing may start, and is woken when something is added or released. Runs it started have
supervisors of their own and need it no more.
"""

from __future__ import annotations

import sys
import time

from loratui.events import ENDED
from loratui.problems import UserError
from loratui.runs import gpu_locks, launch, lock, queue, store
from loratui.runs.store import Run

PACE = 1.0
"""Seconds between two looks."""


def main() -> int:
    """Work the queue off. 0 at its end, also when another process does so already."""
    try:
        held = lock.hold(queue.worker_lock(), patience=0.2)
    except lock.LockHeldError:
        return 0
    worker = Worker()
    while worker.turn():
        time.sleep(PACE)
    del held
    return 0


class Worker:
    """One process's work."""

    def __init__(self) -> None:
        self._gpus = gpu_locks.ours()
        self._started: list[Run] = []

    def turn(self) -> bool:
        """Start what may start now. Returns whether there is more to do."""
        self._look_after_started()
        for index in self._gpus:
            if not gpu_locks.is_free(index):
                continue
            run = queue.take_next()
            if run is None:
                break
            self._start(run, index)
        return bool(queue.read().ready)

    def _start(self, run: Run, index: int) -> None:
        from loratui.runs import gpu

        environment = {"CUDA_VISIBLE_DEVICES": str(index)} if gpu.sample().gpus else {}
        print(f"{time.strftime('%F %T')} starts {run.id} on GPU {index}", flush=True)
        try:
            launch.start_queued(run, environment)
        except UserError as error:
            print(f"{run.id}: {error}", flush=True)
        self._started.append(run)

    def _look_after_started(self) -> None:
        for run in list(self._started):
            state, reason = store.state(run)
            if state not in ENDED:
                continue
            self._started.remove(run)
            if state in ("failed", "lost") and queue.read().after_failure == "stop":
                queue.stop(f"{run.id} {state}: {reason}"[:300])


if __name__ == "__main__":
    sys.exit(main())
