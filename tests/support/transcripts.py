"""Recorded runs of sd-scripts: what it printed, on which stream, after how many seconds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "engines" / "transcripts"


@dataclass(frozen=True, slots=True)
class Piece:
    """One write, as it came out of a pipe."""

    seconds: float
    stream: str
    text: str


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def read(name: str) -> list[Piece]:
    with (FOLDER / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [Piece(*json.loads(line)) for line in file]


def merged(pieces: Iterable[Piece]) -> bytes:
    """Both streams as they interleave."""
    return "".join(piece.text for piece in pieces).encode()


def stream(pieces: Iterable[Piece], name: str) -> bytes:
    return merged(piece for piece in pieces if piece.stream == name)
