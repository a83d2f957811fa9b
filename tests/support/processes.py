"""Waiting for things that other processes do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")


def wait_for(look: Callable[[], Found], timeout: float = 30, what: str = "it") -> Found:
    """Look again and again until there is something. Fails after ``timeout`` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what} did not come in {timeout} s"
        time.sleep(0.1)
