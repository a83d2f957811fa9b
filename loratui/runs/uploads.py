"""LoRA files that were sent to a hub and found there whole: a line each in uploads.jsonl of the home."""

from __future__ import annotations

import contextlib
import os
import time
from hashlib import file_digest
from pathlib import Path

import msgspec

from loratui import places
from loratui.runs.files import PRIVATE_FOLDER, open_for_append, write_all


class Upload(msgspec.Struct, frozen=True):
    """One file that is there."""

    sha256: str
    """Of the file here; what was sent may have less metadata."""
    file: str
    repo: str
    commit: str
    at: float
    """Wall clock, seconds since 1970."""


def sha256(path: Path) -> str:
    """The digest of a file. Raises ``OSError``."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def note(path: Path, repo: str, commit: str) -> None:
    """Note that a file was found whole on the hub. Nothing depends on the note but a machine's stop, so a
    disk that refuses it is no trouble."""
    with contextlib.suppress(OSError):
        line = msgspec.json.encode(Upload(sha256(path), str(path.absolute()), repo, commit, time.time()))
        places.home().mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        descriptor = open_for_append(_ledger())
        try:
            write_all(descriptor, line + b"\n")
        finally:
            os.close(descriptor)


def of(path: Path) -> Upload | None:
    """The last upload of exactly this file; None when there was none, or it cannot be read."""
    try:
        digest, lines = sha256(path), _ledger().read_bytes().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            found = msgspec.json.decode(line, type=Upload)
        except (ValueError, msgspec.ValidationError):
            continue
        if found.sha256 == digest:
            return found
    return None


def _ledger() -> Path:
    return places.home() / "uploads.jsonl"
