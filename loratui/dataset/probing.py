"""Looks at every picture of a set: first at the bytes, then at the pixels, on all processors.

The decoders let go of Python's lock while they work, so threads are enough.
"""

from __future__ import annotations

import hashlib
import os
import time
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from loratui.dataset.headers import Header, read_header
from loratui.dataset.pixels import look
from loratui.dataset.probe_cache import Probe, ProbeCache, Stamp
from loratui.dataset.thresholds import BOMB_PIXELS

MOST_BYTES = 1 << 29
"""What is read of one file; whether a larger one is whole, only decoding tells."""

_SAVED_EVERY = 256
_SETTLED_NS = 2_000_000_000
"""A file changed less than this ago may change again within the same tick of the file system's clock."""

Input = TypeVar("Input")
Output = TypeVar("Output")


class Cancelled(Exception):  # noqa: N818  (nothing went wrong)
    """The person wants no more of it. What was found so far is in the cache."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check is."""

    stage: Literal["files", "pixels"]
    done: int
    total: int


def probe(
    paths: Sequence[Path],
    cache: ProbeCache | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_gate: Callable[[dict[Path, Probe]], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[Path, Probe]:
    """Everything about every picture. ``on_gate`` gets what the bytes alone say, before any is decoded.

    Raises ``Cancelled``.
    """
    stamps = {path: _stamp(path) for path in paths}
    sizes = Counter(stamp.size for stamp in stamps.values())
    shared = {path for path, stamp in stamps.items() if stamp.size > 0 and sizes[stamp.size] > 1}
    found = cache.read(stamps) if cache else {}

    def gate(path: Path) -> Probe:
        return _gate(path, path in shared)

    todo = [path for path in paths if path not in found or (path in shared and not found[path].digest)]
    for number, (path, seen) in enumerate(_each(gate, todo, cancelled), 1):
        known = found.get(path)
        found[path] = msgspec.structs.replace(seen, pixels=known.pixels) if known else seen
        on_progress(Progress("files", number, len(todo)))
    on_gate(found)
    again = set(todo)
    dark = [path for path in paths if found[path].pixels is None and _may_decode(found[path].header)]
    settled = time.time_ns() - _SETTLED_NS
    fresh: list[tuple[Path, Stamp, Probe]] = []

    def keep(path: Path, most: int) -> None:
        if stamps[path].mtime_ns < settled:
            fresh.append((path, stamps[path], found[path]))
        if cache and len(fresh) >= most:
            cache.write(fresh)
            fresh.clear()

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's on odd EXIF and large pictures; said as findings
            for number, (path, pixels) in enumerate(_each(look, dark, cancelled), 1):
                found[path] = msgspec.structs.replace(found[path], pixels=pixels)
                keep(path, _SAVED_EVERY)
                on_progress(Progress("pixels", number, len(dark)))
        for path in again - set(dark):
            keep(path, _SAVED_EVERY)
    finally:
        if cache:
            cache.write(fresh)
    return found


def _gate(path: Path, wants_digest: bool) -> Probe:
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES)
    except OSError:
        return Probe(Header("other", fault="unreadable"))
    header = read_header(data)
    if len(data) == MOST_BYTES and header.fault == "truncated":
        header = msgspec.structs.replace(header, fault="")
    digest = hashlib.blake2b(data, digest_size=16).hexdigest() if wants_digest else ""
    return Probe(header, None, digest)


def _may_decode(header: Header) -> bool:
    return header.fault != "zero_bytes" and header.width * header.height <= BOMB_PIXELS


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return Stamp(-1, 0)
    return Stamp(found.st_size, found.st_mtime_ns)


def workers() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _each(
    work: Callable[[Input], Output], items: Sequence[Input], cancelled: Callable[[], bool]
) -> Iterator[tuple[Input, Output]]:
    """The results in order, a few items ahead, so that memory stays flat however many there are."""
    if not items:
        return
    ahead: deque[tuple[Input, Future[Output]]] = deque()
    with ThreadPoolExecutor(workers(), thread_name_prefix="check") as pool:
        try:
            for item in items:
                if cancelled():
                    raise Cancelled
                ahead.append((item, pool.submit(work, item)))
                if len(ahead) > 4 * workers():
                    first, future = ahead.popleft()
                    yield first, future.result()
            while ahead:
                if cancelled():
                    raise Cancelled
                first, future = ahead.popleft()
                yield first, future.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
