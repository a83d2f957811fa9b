"""A .zip or .tar of pictures, unpacked into a temporary folder and nowhere else.

Only regular files are unpacked, each below the folder; links, devices, and names that point outside
are left out. What an archive claims about its size is not believed: bytes are counted as they come.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from loratui.problems import UserError, refusal

MOST_FILES = 200_000
MOST_BYTES = 64 << 30
MOST_RATIO = 200
"""Unpacked to packed. Pictures hardly shrink (BMP by 10 or so); a bomb comes to 1000 and more."""

RATIO_FROM = 64 << 20
"""Below so many bytes in all a high ratio does no harm (flat BMPs)."""

_COPIED = 1 << 20
_LEFT_OUT_NAMES = frozenset({"__MACOSX", ".DS_Store"})


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An archive's files while they lie in a temporary folder."""

    folder: Path
    """The dataset: below it only what was packed."""
    left_out: tuple[str, ...]
    """Names that point outside, links and devices."""


def is_archive(path: Path) -> bool:
    """Whether a path names a file that ends like an archive."""
    name = path.name.lower()
    return name.endswith((".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")) and path.is_file()


@contextmanager
def unpacked(archive: Path) -> Iterator[Unpacked]:
    """The files of an archive, gone again afterwards.

    Raises ``UserError``: not an archive, encrypted, damaged, a bomb, or no room on the disk.
    """
    with tempfile.TemporaryDirectory(prefix="loratui-", ignore_cleanup_errors=True) as temporary:
        root = Path(temporary) / "set"
        root.mkdir()
        try:
            if archive.name.lower().endswith(".zip"):
                left_out = _unzip(archive, root)
            else:
                left_out = _untar(archive, root)
        except UserError:
            raise
        except (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError) as error:
            raise refusal(archive, f"this archive is damaged: {error}.", "Copy it here once more.") from None
        except RuntimeError:
            raise refusal(
                archive, "this archive is locked with a password.", "Unpack it yourself and give the folder."
            ) from None
        except (OSError, ValueError) as error:
            raise refusal(
                archive,
                f"this archive cannot be unpacked: {error}.",
                "Unpack it yourself and give the folder.",
            ) from None
        yield Unpacked(_only_folder(root), tuple(left_out))


class _Meter:
    """Counts what is unpacked, and stops a bomb."""

    def __init__(self, archive: Path, root: Path) -> None:
        self._archive = archive
        self._room = min(MOST_BYTES, shutil.disk_usage(root).free * 9 // 10)
        self._swollen = max(RATIO_FROM, MOST_RATIO * archive.stat().st_size)
        self._bytes = self._files = 0

    def file(self) -> None:
        self._files += 1
        if self._files > MOST_FILES:
            raise self._stop(f"it holds more than {MOST_FILES:,} files")

    def copy(self, source: IO[bytes], target: Path) -> None:
        """Copy one file, as far as there is room."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            while data := source.read(_COPIED):
                self._bytes += len(data)
                if self._bytes > self._swollen:
                    raise self._stop(f"it swells to more than {MOST_RATIO} times its size, like a bomb")
                if self._bytes > self._room:
                    raise self._stop("it does not fit on the disk")
                file.write(data)

    def _stop(self, why: str) -> UserError:
        return refusal(
            self._archive,
            f"unpacking stopped: {why}.",
            "Unpack it yourself if you trust it, and give the folder.",
        )


def _unzip(archive: Path, root: Path) -> list[str]:
    left_out: list[str] = []
    meter = _Meter(archive, root)
    with zipfile.ZipFile(archive) as packed:
        for entry in packed.infolist():
            if entry.is_dir() or _is_left_out(entry.filename):
                continue
            meter.file()
            kind = entry.external_attr >> 28
            target = _target(root, entry.filename)
            if target is None or kind not in (0, 0o10):  # 0o10: a regular file, by Unix
                left_out.append(entry.filename)
                continue
            with packed.open(entry) as source:
                meter.copy(source, target)
    return left_out


def _untar(archive: Path, root: Path) -> list[str]:
    left_out: list[str] = []
    meter = _Meter(archive, root)
    with tarfile.open(archive) as packed:
        for entry in packed:
            if entry.isdir() or _is_left_out(entry.name):
                continue
            meter.file()
            target = _target(root, entry.name)
            source = packed.extractfile(entry) if entry.isreg() and target is not None else None
            if source is None or target is None:
                left_out.append(entry.name)
                continue
            with source:
                meter.copy(source, target)
    return left_out


def _is_left_out(name: str) -> bool:
    return not _LEFT_OUT_NAMES.isdisjoint(PurePosixPath(name.replace("\\", "/")).parts)


def _target(root: Path, name: str) -> Path | None:
    """Where a file goes; None when its name points outside of the folder or cannot be one."""
    parts = name.replace("\\", "/").split("/")
    if not parts[0] or parts[0].endswith(":") or ".." in parts or "\0" in name:
        return None
    kept = [part for part in parts if part not in ("", ".")]
    return root.joinpath(*kept) if kept else None


def _only_folder(root: Path) -> Path:
    """The one folder that everything was packed in, unless its own name counts for training."""
    from loratui.dataset.layout import parse_repeats

    entries = list(root.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and parse_repeats(entries[0].name) is None:
        return entries[0]
    return root
