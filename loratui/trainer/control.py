"""What a person asks a running training for: files in a folder, by the name of the action. No torch."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

ACTIONS = ("save", "sample")


class Asked:
    """Looks into a folder for files ``save`` and ``sample``, and takes them away. Without a folder nobody
    asks."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self.take()  # what was meant for an earlier training

    def take(self) -> frozenset[str]:
        """The actions asked for since the last look."""
        if self._folder is None:
            return frozenset()
        found = set()
        with contextlib.suppress(OSError):
            for name in os.listdir(self._folder):  # noqa: PTH208 - once a step, 10 microseconds
                if name in ACTIONS:
                    (self._folder / name).unlink()
                    found.add(name)
        return frozenset(found)
