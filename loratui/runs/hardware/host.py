"""The machine besides its GPUs at this moment: memory against the container's limit, and room on the disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True)
class Host:
    """One moment; None for what cannot be read."""

    memory_used: int | None
    """Bytes in use that cannot simply be dropped (the page cache is left out)."""
    memory_limit: int | None
    """Bytes: the container's limit where it has one below the machine's memory, else the machine's memory."""
    contained: bool
    """Whether the limit is a container's: beyond it the kernel kills, whatever the machine has."""
    disk_free: int | None
    """Bytes left for this user where the run is written."""


def sample(folder: Path, cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> Host:
    """Read it now; never raises."""
    total, available = _machine_memory(meminfo)
    limit, used = _container_memory(cgroup)
    contained = limit is not None and (total is None or limit < total)
    if not contained:
        used = total - available if total is not None and available is not None else None
    return Host(used, limit if contained else total, contained, _disk_free(folder))


def _machine_memory(meminfo: Path) -> tuple[int | None, int | None]:
    """Total and available bytes; /proc/meminfo counts in KiB (proc(5))."""
    found: dict[str, int] = {}
    try:
        for line in meminfo.read_text().splitlines():
            name, _, rest = line.partition(":")
            words = rest.split()
            if name in ("MemTotal", "MemAvailable") and words and words[0].isdecimal():
                found[name] = int(words[0]) * 1024
    except (OSError, ValueError):
        return None, None
    return found.get("MemTotal"), found.get("MemAvailable")


def _container_memory(cgroup: Path) -> tuple[int | None, int | None]:
    """Limit and use in bytes, by cgroup v2, else v1 (kernel: admin-guide/cgroup-v2, cgroup-v1/memory)."""
    for limit_name, used_name, stat_name in (
        ("memory.max", "memory.current", "memory.stat"),
        (
            "memory/memory.limit_in_bytes",
            "memory/memory.usage_in_bytes",
            "memory/memory.stat",
        ),
    ):
        limit = _number(cgroup / limit_name)
        used = _number(cgroup / used_name)
        if limit is not None and used is not None:
            return limit, max(0, used - _inactive_file(cgroup / stat_name))
    return None, None


def _inactive_file(stat: Path) -> int:
    """Bytes of page cache that the kernel gives back first."""
    try:
        for line in stat.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file") and value.strip().isdecimal():
                return int(value)
    except (OSError, ValueError):
        pass
    return 0


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdecimal() else None


def _disk_free(folder: Path) -> int | None:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize
