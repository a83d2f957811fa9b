"""Files and folders that are either whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from loratui.problems import UserError, refusal

WAY_OUT = "Make room or choose another output_dir."

_CAUSES = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EACCES: "permission",
    errno.EPERM: "permission",
}
"""Keys of presets/hints."""


@contextmanager
def new_file(path: Path, way_out: str = WAY_OUT) -> Iterator[Path]:
    """A temporary path beside ``path`` to write to; renamed to it at the end, removed on failure.

    Raises ``UserError``, with ``way_out`` as its advice, when the disk refuses (full, read-only, no
    permission).
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _disk_refused(path, error, way_out) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path, way_out: str = WAY_OUT) -> Iterator[Path]:
    """A temporary folder beside ``path`` to fill; it takes the place of ``path`` at the end.

    A folder of that name is moved aside first and removed last. Raises ``UserError`` like ``new_file``.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    aside = path.with_name(f".{path.name}.{os.getpid()}.old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        yield temporary
        for file in sorted(temporary.rglob("*")):
            _sync(file)
        _sync(temporary)
        if path.exists():
            path.replace(aside)
        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise _disk_refused(path, error, way_out) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def ensure_writable(folder: Path, way_out: str = WAY_OUT) -> None:
    """Make ``folder`` where it is missing and try to write there, so that hours of work have a place to
    go. Raises ``UserError`` when the disk refuses."""
    probe = folder / f".write-test.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise _disk_refused(folder, error, way_out) from None


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, where the volume can."""
    with suppress(OSError):
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _disk_refused(path: Path, error: OSError, way_out: str) -> UserError:
    reason, cause = error.strerror or str(error), _CAUSES.get(error.errno or 0, "output_dir_bad")
    if "No space left" in reason:  # libraries wrap it in words of their own
        reason, cause = "the disk is full", "disk_full"
    return refusal(path, f"it could not be saved: {reason}.", way_out, cause)
