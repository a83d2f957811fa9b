"""Fills the folder of a step: links to pictures, copies of captions, and what is new."""

from __future__ import annotations

import errno
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from loratui.dataset.history.plan import Kept, Made, Source, Written
from loratui.dataset.pictures.probing import Cancelled, workers
from loratui.dataset.scan import LIKELY_PICTURES
from loratui.dataset.tree import VIDEO_SUFFIXES

_LINKED = LIKELY_PICTURES | VIDEO_SUFFIXES
_COPIED_BELOW = 1 << 20
"""Other files (captions, lists of tags) are edited by hand, in place: below this size they are copied."""

_NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})
_SYNC_EACH = 256

Progress = Callable[[int, int], None]


def fill(
    folder: Path,
    base: Path,
    files: Mapping[str, Source],
    on_progress: Progress = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> None:
    """Put ``files`` into an empty folder and bring them to the disk. ``base`` holds the files kept.

    Raises ``OSError``, ``UserError`` of what is made, and ``Cancelled``.
    """
    fresh: list[Path] = []
    folders = {folder}
    made: list[tuple[Path, Made]] = []
    done = 0
    for name, source in files.items():
        if cancelled():
            raise Cancelled
        target = folder / name
        if target.parent not in folders:
            target.parent.mkdir(parents=True, exist_ok=True)
            folders.update(parent for parent in target.parents if folder in parent.parents)
        match source:
            case Kept():
                if carry(base / source.name, target):
                    fresh.append(target)
            case Written():
                with target.open("xb") as file:
                    file.write(source.data)
                fresh.append(target)
            case Made():
                made.append((target, source))
                continue
        done += 1
        on_progress(done, len(files))
    for target in _make(made, cancelled):
        fresh.append(target)
        done += 1
        on_progress(done, len(files))
    settle(fresh, folders)


def carry(source: Path, target: Path) -> bool:
    """Put a file of one set into another: a picture as a hard link where that can be, anything small as a
    copy with the same time of change. True for a copy. The source is only read."""
    real = Path(os.path.realpath(source))  # a link to a picture: the step shall hold the picture
    found = real.stat()
    if source.suffix.lower() in _LINKED or found.st_size >= _COPIED_BELOW:
        try:
            os.link(real, target)
            return False
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
    with real.open("rb") as reader, target.open("xb") as writer:
        shutil.copyfileobj(reader, writer, 1 << 20)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    return True


def _make(made: list[tuple[Path, Made]], cancelled: Callable[[], bool]) -> Iterator[Path]:
    """Run the makers on all processors, a few ahead."""
    if not made:
        return
    ahead: deque[tuple[Path, Future[object]]] = deque()
    with ThreadPoolExecutor(workers(), thread_name_prefix="mend") as pool:
        try:
            for target, source in made:
                if cancelled():
                    raise Cancelled
                ahead.append((target, pool.submit(source.make, target)))
                if len(ahead) > 2 * workers():
                    first, future = ahead.popleft()
                    future.result()
                    yield first
            while ahead:
                first, future = ahead.popleft()
                future.result()
                yield first
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def settle(files: list[Path], folders: set[Path]) -> None:
    """Bring new files and folders to the disk."""
    if len(files) > _SYNC_EACH and _sync_all(files[0]):
        return
    for path in [*files, *sorted(folders, reverse=True)]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_all(path: Path) -> bool:
    """One call for the whole file system in place of one for each of thousands of files."""
    import ctypes

    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
    except (OSError, AttributeError):
        return False
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(path))
    finally:
        os.close(descriptor)
    return True
