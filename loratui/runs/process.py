"""Which process is meant, for certain: a PID alone is reused, with its start time and boot it is not."""

from __future__ import annotations

from pathlib import Path

import msgspec

_PROC = Path("/proc")


class ProcessIdentity(msgspec.Struct, frozen=True):
    """One process of one boot of one machine."""

    pid: int
    ticks: int
    """Start time in clock ticks since boot: field 22 of ``/proc/PID/stat`` (proc_pid_stat(5))."""
    boot_id: str


def boot_id() -> str:
    """The kernel's random name of this boot; empty where there is no ``/proc``."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def identify(pid: int) -> ProcessIdentity:
    """The identity of a process that is running now; ticks are 0 where they cannot be read."""
    return ProcessIdentity(pid, _stat(pid)[1], boot_id())


def is_running(identity: ProcessIdentity) -> bool:
    """Whether exactly this process runs here: same boot, same start time, not a zombie."""
    if identity.boot_id != boot_id():
        return False
    state, ticks = _stat(identity.pid)
    return state not in "ZX" and ticks == identity.ticks


def has_ended(pid: int) -> bool:
    """Whether no process of this number runs; a zombie has ended."""
    return _stat(pid)[0] in "ZX"


def _stat(pid: int) -> tuple[str, int]:
    """State letter and start ticks; ("X", 0) when there is no such process.

    The name in parentheses may hold spaces and parentheses, so fields count from the last ")".
    """
    try:
        fields = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        rest = fields.rpartition(")")[2].split()
        return rest[0], int(rest[19])
    except (OSError, IndexError, ValueError):
        return "X", 0


def group_members(group: int) -> list[int]:
    """PIDs of the living processes in a process group, zombies left out."""
    members = []
    for entry in _PROC.iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if len(fields) > 2 and fields[2] == str(group) and fields[0] not in "ZX":
            members.append(int(entry.name))
    return members
