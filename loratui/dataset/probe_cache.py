"""What earlier checks found out about files that have not changed. Safe to delete at any time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from loratui.dataset.headers import Header
from loratui.dataset.pixels import RECIPE, Pixels


class Probe(msgspec.Struct, frozen=True, array_like=True):
    """All that is known of one picture file."""

    header: Header
    pixels: Pixels | None = None
    """None until it was decoded, and where decoding it would be unwise."""
    digest: str = ""
    """blake2b-128 of the bytes; only where another file has the same size."""


class Stamp(msgspec.Struct, frozen=True):
    """What must be unchanged for a probe to hold."""

    size: int
    mtime_ns: int


def cache_folder() -> Path:
    """Below ``LORATUI_HOME`` where that is set, else the user's cache folder by the XDG rules."""
    chosen = os.environ.get("LORATUI_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute() / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser().absolute() / "loratui"


class ProbeCache:
    """Probes by path, size and time of change, in one SQLite file. Any fault of it only costs time."""

    def __init__(self, folder: Path) -> None:
        from PIL import __version__

        self._recipe = f"{RECIPE} pillow {__version__}"
        self._decoder = msgspec.msgpack.Decoder(Probe)
        self._path = folder / "pictures.sqlite"
        self._database: sqlite3.Connection | None = None
        for _ in range(2):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._database = sqlite3.connect(self._path, timeout=2)
                self._database.execute(
                    "CREATE TABLE IF NOT EXISTS probes"
                    " (path BLOB PRIMARY KEY, size INT, mtime_ns INT, recipe TEXT, probe BLOB) WITHOUT ROWID"
                )
                return
            except sqlite3.DatabaseError:
                self._database = None
                with suppress(OSError):
                    self._path.unlink()
            except OSError:
                return

    def read(self, stamps: Mapping[Path, Stamp]) -> dict[Path, Probe]:
        """The probes of files that have not changed."""
        found: dict[Path, Probe] = {}
        if self._database is None:
            return found
        query = "SELECT probe FROM probes WHERE path = ? AND size = ? AND mtime_ns = ? AND recipe = ?"
        with suppress(sqlite3.Error):
            for path, stamp in stamps.items():
                row = self._database.execute(query, (*_key(path, stamp), self._recipe)).fetchone()
                if row is not None:
                    with suppress(msgspec.DecodeError, msgspec.ValidationError):
                        found[path] = self._decoder.decode(row[0])
        return found

    def write(self, probes: Iterable[tuple[Path, Stamp, Probe]]) -> None:
        """Keep probes."""
        if self._database is None:
            return
        rows = [
            (*_key(path, stamp), self._recipe, msgspec.msgpack.encode(probe)) for path, stamp, probe in probes
        ]
        with suppress(sqlite3.Error), self._database:
            self._database.executemany("INSERT OR REPLACE INTO probes VALUES (?, ?, ?, ?, ?)", rows)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


def _key(path: Path, stamp: Stamp) -> tuple[bytes, int, int]:
    return os.fsencode(os.path.abspath(path)), stamp.size, stamp.mtime_ns  # noqa: PTH100  (keeps links)
