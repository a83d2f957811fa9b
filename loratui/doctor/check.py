"""One thing looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """What was found, and what mends it."""

    name: str
    """Short and stable: ``gpu``, ``kohya.torchvision``."""
    ok: bool
    detail: str
    """What was found, in one line."""
    fix: str = ""
    """What to do; never empty when not ``ok``."""
    needed: bool = True
    """Whether training here needs it; else it is worth knowing and no more."""


def fine(name: str, detail: str) -> Check:
    """It is as it should be."""
    return Check(name, True, detail)


def wrong(name: str, detail: str, fix: str) -> Check:
    """Training here needs it otherwise."""
    return Check(name, False, detail, fix)


def note(name: str, detail: str, fix: str) -> Check:
    """It is not there or not good, and training may do without."""
    return Check(name, False, detail, fix, needed=False)
