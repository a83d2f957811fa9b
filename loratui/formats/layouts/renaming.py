"""Beginnings of names, swapped by a table. Pure text."""

from __future__ import annotations

Table = tuple[tuple[str, str], ...]


def swap(name: str, table: Table, *, back: bool = False) -> str | None:
    """The name with its first part swapped; None when no row of the table begins it."""
    for left, right in table:
        old, new = (right, left) if back else (left, right)
        if name == old or name.startswith(f"{old}."):
            return new + name[len(old) :]
    return None
