"""The lock that a run's supervisor holds for its life. It is how others know that the run is alive."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

from loratui.runs.files import PRIVATE_FILE

_HELD = frozenset({errno.EWOULDBLOCK, errno.EACCES})


class LockHeldError(Exception):
    """Another process holds the lock."""


def hold(path: Path, patience: float = 1.0) -> int:
    """Take the lock and return the descriptor that holds it until it is closed, in every process that has it.

    Tries for ``patience`` seconds, since a reader's probe holds it for a moment too. On a volume
    that knows no flock the descriptor is returned without a lock. Raises ``LockHeldError`` and ``OSError``.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError as error:
            if error.errno not in _HELD:
                return descriptor
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise LockHeldError(str(path)) from None
        time.sleep(0.02)


def is_held(path: Path) -> bool | None:
    """Whether somebody holds the lock; None when this volume cannot tell."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except OSError as error:
        return True if error.errno in _HELD else None
    finally:
        os.close(descriptor)
