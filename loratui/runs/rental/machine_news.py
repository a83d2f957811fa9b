"""The stop of this machine that is under way, as all screens and commands see it, and calling it off."""

from __future__ import annotations

import re
import socket
import time
from pathlib import Path

import msgspec

from loratui import places
from loratui.runs import lock
from loratui.runs.files import replace_file


class Pending(msgspec.Struct, frozen=True):
    """This machine is stopped at a time, unless somebody calls it off."""

    run: str
    """The id of the run that is over."""
    provider: str
    at: float
    """Wall clock, seconds since 1970."""

    @property
    def clock(self) -> str:
        """When, as a person reads it."""
        return time.strftime("%H:%M", time.localtime(self.at))


def path(what: str) -> Path:
    """A file of this machine: loratui's home may lie on a volume that several see."""
    name = re.sub(r"[^A-Za-z0-9.-]+", "-", socket.gethostname())[:60] or "machine"
    return places.home() / "locks" / f"{name}-{what}"


def lock_path() -> Path:
    """Held by the process that counts down."""
    return path("machine-stop")


def pending() -> Pending | None:
    """The stop under way; None when there is none, or nobody counts down any more."""
    try:
        found = msgspec.json.decode(_file().read_bytes(), type=Pending)
    except (OSError, ValueError):
        return None
    held = lock.is_held(lock_path())
    return found if held or (held is None and found.at > time.time()) else None


def keep() -> Pending | None:
    """Call it off. Returns what was under way; None when there was nothing."""
    found = pending()
    if found is not None:
        _file().unlink(missing_ok=True)
    return found


def announce(stop: Pending) -> None:
    """Let all see it. Raises ``OSError``."""
    replace_file(_file(), msgspec.json.encode(stop))


def is_called_off() -> bool:
    """Whether somebody has pressed a key."""
    return not _file().exists()


def claim() -> bool:
    """Take the announcement back for good. False when somebody was quicker and called it off."""
    try:
        _file().unlink()
    except OSError:
        return False
    return True


def words(stop: Pending) -> str:
    """What will happen, and when."""
    return f"This machine ({stop.provider}) stops at {stop.clock}."


def _file() -> Path:
    return path("machine-stop.json")
