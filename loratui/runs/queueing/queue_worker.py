"""Works the queue off: starts the next run whenever a GPU is free.

``python -m loratui.runs.queueing.queue_worker`` ends once nothing may start, and is woken when something is
added or released. Runs it started have supervisors of their own and need it no more.
"""

from __future__ import annotations

import sys
import time

from loratui.problems import UserError
from loratui.runs import launch, lock
from loratui.runs.hardware import gpu_locks
from loratui.runs.layout import Run
from loratui.runs.queueing import queue
from loratui.runs.supervision import afterwards

PACE = 1.0
"""Seconds between two looks."""


def main() -> int:
    """Work the queue off. 0 at its end, also when another process does so already."""
    try:
        held = lock.hold(queue.worker_lock(), patience=0.2)
    except lock.LockHeldError:
        return 0
    afterwards.after_all_lost(time.time())
    worker = Worker()
    while worker.turn():
        time.sleep(PACE)
    del held
    return 0


class Worker:
    """One process's work."""

    def __init__(self) -> None:
        self._gpus = gpu_locks.ours()

    def turn(self) -> bool:
        """Start what may start now. Returns whether there is more to do."""
        queue.look_after_started()
        free = [index for index in self._gpus if gpu_locks.is_free(index)]
        while free and (turn := queue.take_next(len(free), len(self._gpus))) is not None:
            run, count = turn
            self._start(run, free[:count])
            del free[:count]
        return bool(queue.read().ready)

    def _start(self, run: Run, indices: list[int]) -> None:
        from loratui.runs.hardware import gpu

        chosen = ",".join(map(str, indices))
        environment = {"CUDA_VISIBLE_DEVICES": chosen} if gpu.sample().gpus else {}
        print(f"{time.strftime('%F %T')} starts {run.id} on GPU {chosen}", flush=True)
        try:
            launch.start_queued(run, environment)
        except UserError as error:
            print(f"{run.id}: {error}", flush=True)
            afterwards.begin(run)  # no supervisor will tell of it


if __name__ == "__main__":
    sys.exit(main())
