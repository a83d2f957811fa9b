"""Memory as this container counts it: what it may use, what it uses, whom the kernel killed for it.

Both generations of control groups (Linux, Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_ROOT = Path("/sys/fs/cgroup")
_SELF = Path("/proc/self/cgroup")
_UNLIMITED = 1 << 60
"""cgroup v1 writes a number of this size for no limit."""


class Memory(NamedTuple):
    """RAM in bytes."""

    used: int
    """Without what the kernel can drop at once (file caches)."""
    limit: int
    """Of the container where it has one, else of the machine."""


def out_of_memory_kills() -> int:
    """How often the kernel killed a process of this container for want of RAM; 0 where it cannot be read."""
    for folder in _folders():
        for name in ("memory.events", "memory.oom_control"):
            counts = _table(folder / name)
            if "oom_kill" in counts:
                return counts["oom_kill"]
    return 0


def memory() -> Memory | None:
    """RAM used and allowed; None where nothing can be read."""
    whole = _table(Path("/proc/meminfo"))
    total = whole.get("MemTotal:", 0) * 1024
    for folder in _folders():
        limit = _number(folder / "memory.max") or _number(folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current") or _number(folder / "memory.usage_in_bytes")
        if used is None or limit is None or limit >= min(_UNLIMITED, total or _UNLIMITED):
            continue
        stat = _table(folder / "memory.stat")
        cache = stat.get("total_inactive_file", stat.get("inactive_file", 0))
        return Memory(max(0, used - cache), limit)
    if not total:
        return None
    return Memory(total - whole.get("MemAvailable:", 0) * 1024, total)


def _folders() -> Iterator[Path]:
    """Where this process's own group may be seen: by its path, and as the root a container sees."""
    try:
        lines = _SELF.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            yield from (_ROOT / path.lstrip("/"), _ROOT)
        elif "memory" in controllers.split(","):
            yield from (_ROOT / "memory" / path.lstrip("/"), _ROOT / "memory")


def _table(path: Path) -> dict[str, int]:
    """A file of names and numbers; lines of another shape are left out."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = [line.split()[:2] for line in lines]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _number(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None
