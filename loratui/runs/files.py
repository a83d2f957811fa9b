"""Private files, written so that a reader never sees half of one."""

from __future__ import annotations

import os
from pathlib import Path

PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


def replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` beside ``path``, flush it to the disk, and rename it into place. Raises ``OSError``."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
        try:
            write_all(descriptor, data)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_all(descriptor: int, data: bytes) -> None:
    """All of ``data``, over as many writes as it takes. Raises ``OSError``."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def open_for_append(path: Path) -> int:
    """A descriptor whose every write lands at the end of the file, whoever else writes."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, PRIVATE_FILE)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, where the volume can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)


def read_range(path: Path, start: int, length: int) -> bytes:
    """At most ``length`` bytes from ``start``; empty when there is no such file."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.pread(descriptor, length, start)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def file_size(path: Path) -> int:
    """Bytes in a file; 0 when there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
