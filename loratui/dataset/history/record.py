"""What a step says of itself, in two hidden files of its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from loratui.dataset.history.listing import Stamp

RECORD = ".loratui-step.json"
ORIGIN = ".loratui-origin.json"


@dataclass(frozen=True, slots=True)
class Record:
    """One step."""

    number: int
    operation: str
    """A short word for it, part of the folder's name."""
    words: str
    """What it did, in a sentence."""
    made: str
    """ISO 8601, in UTC."""
    ancestors: tuple[int, ...]
    """The steps it was built upon, from the first; the last of them is its parent. Empty: the person's own
    folder."""
    files: int
    dropped: tuple[str, ...]
    """Files of its parent that it does not have."""


def write(folder: Path, record: Record, origin: Mapping[str, Stamp]) -> None:
    """Write both files. ``origin``: the person's folder as it was when it was last read for this history."""
    # The standard library's JSON keeps file names that are no UTF-8, as escaped surrogates.
    (folder / RECORD).write_text(json.dumps({"format": 1, **asdict(record)}, indent=1), encoding="utf-8")
    (folder / ORIGIN).write_text(json.dumps(origin), encoding="utf-8")


def read(folder: Path) -> Record | None:
    """A step's record; None for a folder that is no step of ours."""
    values = _load(folder / RECORD)
    if not isinstance(values, dict) or not {field.name for field in fields(Record)} <= set(values):
        return None
    try:
        return Record(
            int(values["number"]),
            str(values["operation"]),
            str(values["words"]),
            str(values["made"]),
            tuple(map(int, values["ancestors"])),
            int(values["files"]),
            tuple(map(str, values["dropped"])),
        )
    except (TypeError, ValueError):
        return None


def read_origin(folder: Path) -> dict[str, Stamp]:
    """The person's folder as it was when this step's history last read it; empty when that is not known."""
    values = _load(folder / ORIGIN)
    if not isinstance(values, dict):
        return {}
    try:
        return {name: Stamp(int(size), int(mtime)) for name, (size, mtime) in values.items()}
    except (TypeError, ValueError):
        return {}


def _load(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
