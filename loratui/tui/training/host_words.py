"""The machine's memory and disk in a few words."""

from __future__ import annotations

from loratui.runs.hardware.host import Host
from loratui.tui.glyphs import glyphs
from loratui.tui.text import Part, size

_GIB = 1 << 30
NEARLY_FULL = 0.9
"""Share of the memory from which on it is marked: little is left for the next picture or checkpoint."""
LITTLE_DISK = 2 * 10**9
"""Bytes: a state of an SDXL LoRA takes about one."""


def rows(host: Host | None) -> str:
    """Memory and disk, a line each; what cannot be read is left out."""
    if host is None:
        return ""
    lines = []
    if host.memory_used is not None and host.memory_limit:
        share = host.memory_used / host.memory_limit
        mark = f" {glyphs().unusual}" if share >= NEARLY_FULL else ""
        whose = " (container)" if host.contained else ""
        used, limit = host.memory_used / _GIB, host.memory_limit / _GIB
        lines.append(f"memory  {used:.1f}/{limit:.1f} GiB{whose}{mark}")
    if host.disk_free is not None:
        mark = f" {glyphs().unusual}" if host.disk_free < LITTLE_DISK else ""
        lines.append(f"disk    {size(host.disk_free)} free{mark}")
    return "\n".join(lines)


def parts(host: Host | None) -> list[Part]:
    """The same in a few words for one line: the disk, and the memory where little is left of it."""
    if host is None:
        return []
    found = []
    used, limit = (host.memory_used or 0) / _GIB, (host.memory_limit or 0) / _GIB
    if limit and used >= NEARLY_FULL * limit:
        found.append((0, f"{glyphs().unusual} memory {used:.1f}/{limit:.1f} GiB"))
    if host.disk_free is not None:
        is_little = host.disk_free < LITTLE_DISK
        mark = f"{glyphs().unusual} " if is_little else ""
        found.append((0 if is_little else 2, f"{mark}disk {size(host.disk_free)} free"))
    return found
