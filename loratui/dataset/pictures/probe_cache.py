"""What earlier checks found out, kept on disk: by path as long as a file has not changed, and by content, so
that a moved, renamed or copied file is not decoded again. Safe to delete at any time."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from loratui.dataset.pictures import decoding
from loratui.dataset.pictures.headers import Header
from loratui.dataset.pictures.pixels import RECIPE, Pixels
from loratui.places import expanded


class Probe(msgspec.Struct, frozen=True, array_like=True):
    """All that is known of one picture file."""

    header: Header
    pixels: Pixels | None = None
    """None until it was decoded, and where decoding it would be unwise."""
    digest: str = ""
    """Key of the content: xxh3-128 of the bytes. Equal keys are for tools to confirm before they delete."""


class Stamp(msgspec.Struct, frozen=True):
    """What must be unchanged for a probe to hold."""

    size: int
    mtime_ns: int


_TABLES = """
CREATE TABLE IF NOT EXISTS contents
    (digest TEXT, recipe TEXT, probe BLOB, PRIMARY KEY (digest, recipe)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files
    (path BLOB PRIMARY KEY, size INT, mtime_ns INT, digest TEXT) WITHOUT ROWID;
DROP TABLE IF EXISTS probes;
"""
_BY_PATH = """
SELECT probe FROM files JOIN contents USING (digest)
WHERE path = ? AND size = ? AND mtime_ns = ? AND recipe = ?
"""


def cache_folder() -> Path:
    """Below ``LORATUI_HOME`` where that is set, else the user's cache folder by the XDG rules."""
    chosen = os.environ.get("LORATUI_HOME")
    if chosen:
        return expanded(chosen).absolute() / "cache"
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache").absolute() / "loratui"


class ProbeCache:
    """Probes in one SQLite file. Any fault of it only costs time."""

    def __init__(self, folder: Path) -> None:
        from PIL import __version__

        self._recipe = f"{RECIPE} pillow {__version__} {decoding.recipe()}"
        self._decoder = msgspec.msgpack.Decoder(Probe)
        self._path = folder / "pictures.sqlite"
        self._database: sqlite3.Connection | None = None
        for _ in range(2):
            try:
                folder.mkdir(parents=True, exist_ok=True)
                self._database = sqlite3.connect(self._path, timeout=2)
                self._database.executescript(_TABLES)
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
        with suppress(sqlite3.Error):
            for path, stamp in stamps.items():
                values = (_path_key(path), stamp.size, stamp.mtime_ns, self._recipe)
                probe = self._decoded(self._database.execute(_BY_PATH, values).fetchone())
                if probe is not None:
                    found[path] = probe
        return found

    def read_contents(self, digests: Iterable[str]) -> dict[str, Probe]:
        """The probes of contents that were seen before, wherever that was."""
        found: dict[str, Probe] = {}
        if self._database is None:
            return found
        query = "SELECT probe FROM contents WHERE digest = ? AND recipe = ?"
        with suppress(sqlite3.Error):
            for digest in digests:
                probe = self._decoded(self._database.execute(query, (digest, self._recipe)).fetchone())
                if probe is not None:
                    found[digest] = probe
        return found

    def write(self, probes: Iterable[tuple[Path, Stamp, Probe]]) -> None:
        """Keep probes that have a digest."""
        if self._database is None:
            return
        keep = [entry for entry in probes if entry[2].digest]
        contents = [(probe.digest, self._recipe, msgspec.msgpack.encode(probe)) for _, _, probe in keep]
        files = [(_path_key(path), stamp.size, stamp.mtime_ns, probe.digest) for path, stamp, probe in keep]
        with suppress(sqlite3.Error), self._database:
            self._database.executemany("INSERT OR REPLACE INTO contents VALUES (?, ?, ?)", contents)
            self._database.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", files)

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def _decoded(self, row: tuple[bytes] | None) -> Probe | None:
        if row is not None:
            with suppress(msgspec.DecodeError, msgspec.ValidationError):
                return self._decoder.decode(row[0])
        return None


def _path_key(path: Path) -> bytes:
    return os.fsencode(os.path.abspath(path))  # noqa: PTH100  (keeps links)
