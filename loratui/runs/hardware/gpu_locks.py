"""One lock for each GPU of this machine, held by the supervisor of the run that trains on it.

A run that is started by hand takes what it is told to; the queue waits until a lock is free.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path

from loratui import places
from loratui.runs import lock
from loratui.runs.files import PRIVATE_FOLDER


def path(index: int) -> Path:
    """The lock of a GPU. Named by machine too: a volume may be seen by several."""
    machine = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname())[:60] or "machine"
    return places.home() / "locks" / f"{machine}-gpu{index}"


def is_free(index: int) -> bool:
    """Whether no run of ours trains on this GPU. On a volume without flock nobody can tell: it counts as
    free."""
    return not lock.is_held(path(index))


def hold(indices: tuple[int, ...]) -> tuple[int, ...]:
    """Take the locks that are free, and return their descriptors; held until they are closed in every process
    that has them. What is held already, or cannot be taken, is left out: no run fails for want of a lock."""
    taken = []
    for index in indices:
        try:
            path(index).parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
            taken.append(lock.hold(path(index), patience=0.2))
        except (OSError, lock.LockHeldError):
            continue
    return tuple(taken)


def indices(environment: Mapping[str, str], processes: int = 1) -> tuple[int, ...]:
    """The GPUs that a training takes: those that CUDA_VISIBLE_DEVICES leaves, as many as it has processes.
    The processor counts as GPU 0 where there is none."""
    named = [part.strip() for part in environment.get("CUDA_VISIBLE_DEVICES", "").split(",")]
    numbers = [int(part) for part in named if part.isdecimal()]
    return tuple((numbers or list(range(max(1, processes))))[: max(1, processes)])


def are_counted(environment: Mapping[str, str]) -> bool:
    """Whether ``indices`` are the GPUs that are meant: CUDA_VISIBLE_DEVICES may name them by UUID."""
    named = environment.get("CUDA_VISIBLE_DEVICES", "")
    return all(part.strip().isdecimal() for part in named.split(",") if part.strip())


def elsewhere(processes: int, environment: Mapping[str, str]) -> dict[str, str]:
    """For a run started by hand while one of ours trains on the GPU it would take: CUDA_VISIBLE_DEVICES with
    GPUs that are free. Empty where its own are free, or too few others are."""
    if environment.get("CUDA_VISIBLE_DEVICES") or all(map(is_free, indices(environment, processes))):
        return {}
    free = [index for index in ours() if is_free(index)]
    enough = len(free) >= max(1, processes)
    return {"CUDA_VISIBLE_DEVICES": ",".join(map(str, free[: max(1, processes)]))} if enough else {}


def are_busy(processes: int = 1) -> bool:
    """Whether runs of ours leave fewer GPUs of this machine than a training takes."""
    if all(map(is_free, indices(os.environ, processes))):
        return False
    gpus = ours()
    return sum(map(is_free, gpus)) < min(max(1, processes), len(gpus))


def processes_of(argv: tuple[str, ...]) -> int:
    """How many GPUs a command asks accelerate's launcher for."""
    for word in argv:
        if word.startswith("--num_processes="):
            count = word.partition("=")[2]
            return int(count) if count.isdecimal() else 1
    return 1


def ours() -> tuple[int, ...]:
    """The GPUs the queue may use: all that CUDA_VISIBLE_DEVICES leaves; (0,) where there is none."""
    from loratui.runs.hardware import gpu

    found = gpu.visible(gpu.sample(), os.environ)
    return tuple(dict.fromkeys(one.index for one in found)) or (0,)
