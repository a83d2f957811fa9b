"""Memory that a training step gives back and asks for again, kept in between. No torch."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM, _MMAP = -1, -3
"""glibc's M_TRIM_THRESHOLD and M_MMAP_THRESHOLD (malloc.h)."""
_BLOCK, _FREE = 1 << 28, 1 << 30
"""Bytes: blocks up to the first are kept, and as many of them as come to the second."""


def keep_freed_blocks() -> None:
    """glibc hands every block above 32 MiB straight back to the system, and on a CPU each convolution of 1280
    channels asks for more than that, forward and backward. Making the same pages over and over took half of
    its time. Call it when nothing large is freed for good any more. Without glibc nothing changes."""
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_MMAP, _BLOCK)
        mallopt(_TRIM, _FREE)
