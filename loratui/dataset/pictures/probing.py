"""Looks at every picture of a set: first at the bytes, then at the pixels, on all processors.

The decoders let go of Python's lock while they work, so threads are enough.
"""

from __future__ import annotations

import importlib.util
import os
import time
import warnings
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from loratui.dataset.checking.thresholds import BOMB_PIXELS
from loratui.dataset.pictures.headers import Checksum, Header, read_header
from loratui.dataset.pictures.pixels import Pixels, look
from loratui.dataset.pictures.probe_cache import Probe, ProbeCache, Stamp

MOST_BYTES = 1 << 29
"""What is read of one file; whether a larger one is whole, only decoding tells."""

SHORTCUTS_FROM = 64
"""For fewer pictures the import of a faster decoder costs more than it saves."""

_CHECKSUM_FROM = 2000
"""The same for the faster checksum: 0.1 s of CPU to import against 75 microseconds a picture."""

_LOT = 8
_SAVED_EVERY = 256
_SETTLED_NS = 2_000_000_000
"""A file changed less than this ago may change again within the same tick of the file system's clock."""

_FIRST_NEWS = 0.7
_NEWS_EVERY = 3.0
"""Seconds until something is told of what was found so far, and between one time and the next."""

Input = TypeVar("Input")
Output = TypeVar("Output")
Stage = Literal["files", "pixels"]


class Cancelled(Exception):  # noqa: N818  (nothing went wrong)
    """The person wants no more of it. What was found so far is in the cache."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check is."""

    stage: Stage
    done: int
    total: int


def probe(
    paths: Sequence[Path],
    cache: ProbeCache | None = None,
    *,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_news: Callable[[Stage, Mapping[Path, Probe]], None] = lambda *_: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[Path, Probe]:
    """Everything about every picture. ``on_news`` gets what is known so far: with ``"files"`` while bytes are
    read, with ``"pixels"`` once what the bytes say is complete, and again from time to time.

    Raises ``Cancelled``.
    """
    stamps = {path: _stamp(path) for path in paths}
    found = cache.read(stamps) if cache else {}
    news = _News(on_news)
    todo = [path for path in paths if path not in found]
    gate = partial(_gate, crc32=_checksum(len(todo)))
    for number, (path, seen) in enumerate(_each_in_lots(gate, todo, cancelled), 1):
        found[path] = seen
        on_progress(Progress("files", number, len(todo)))
        news.maybe("files", found)
    _recognise(found, todo, cache)
    news.tell("pixels", found)
    keeper = _Keeper(cache, stamps)
    dark = [path for path in todo if found[path].pixels is None and _may_decode(found[path].header)]
    twins = _twins(found, dark)
    shortcuts = len(twins) >= SHORTCUTS_FROM

    def decode(path: Path) -> Pixels:
        return look(path, found[path].header, shortcuts=shortcuts)

    done = 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's on odd EXIF and large pictures; said as findings
            for first, pixels in _each(decode, list(twins), cancelled):
                for path in twins[first]:
                    found[path] = msgspec.structs.replace(found[path], pixels=pixels)
                    keeper.keep(path, found[path])
                    done += 1
                on_progress(Progress("pixels", done, len(dark)))
                news.maybe("pixels", found)
        for path in set(todo) - set(dark):
            keeper.keep(path, found[path])
    finally:
        keeper.flush()
    return found


class _News:
    """Tells what is known so far, not so often that telling takes the time of looking."""

    def __init__(self, tell: Callable[[Stage, Mapping[Path, Probe]], None]) -> None:
        self._tell = tell
        self._next = time.monotonic() + _FIRST_NEWS

    def maybe(self, stage: Stage, found: Mapping[Path, Probe]) -> None:
        if time.monotonic() >= self._next:
            self.tell(stage, found)

    def tell(self, stage: Stage, found: Mapping[Path, Probe]) -> None:
        start = time.monotonic()
        self._tell(stage, dict(found))
        end = time.monotonic()
        self._next = end + max(_NEWS_EVERY, 20 * (end - start))


class _Keeper:
    """Puts what was found into the cache, many at a time."""

    def __init__(self, cache: ProbeCache | None, stamps: Mapping[Path, Stamp]) -> None:
        self._cache = cache
        self._stamps = stamps
        self._settled = time.time_ns() - _SETTLED_NS
        self._fresh: list[tuple[Path, Stamp, Probe]] = []

    def keep(self, path: Path, probe: Probe) -> None:
        if self._cache and self._stamps[path].mtime_ns < self._settled:
            self._fresh.append((path, self._stamps[path], probe))
            if len(self._fresh) >= _SAVED_EVERY:
                self.flush()

    def flush(self) -> None:
        if self._cache:
            self._cache.write(self._fresh)
        self._fresh.clear()


def _recognise(found: dict[Path, Probe], paths: Sequence[Path], cache: ProbeCache | None) -> None:
    """Take over what is known of the same content under another name."""
    if cache is None:
        return
    known = cache.read_contents({found[path].digest for path in paths if found[path].digest})
    for path in paths:
        if (probe := known.get(found[path].digest)) is not None:
            found[path] = probe


def _twins(found: Mapping[Path, Probe], paths: Sequence[Path]) -> dict[Path, list[Path]]:
    """Paths by the first that has the same content."""
    first: dict[str, Path] = {}
    twins: dict[Path, list[Path]] = {}
    for path in paths:
        digest = found[path].digest
        twins.setdefault(first.setdefault(digest, path) if digest else path, []).append(path)
    return twins


def _checksum(pictures: int) -> Checksum:
    """zlib's CRC-32; for many pictures libdeflate's out of imagecodecs, which is four times as fast."""
    if pictures >= _CHECKSUM_FROM and importlib.util.find_spec("imagecodecs"):
        try:
            from imagecodecs import deflate_crc32
        except ImportError:
            return zlib.crc32
        # It takes any buffer, whatever its stub says.
        return lambda data: int(deflate_crc32(data))  # type: ignore[arg-type]
    return zlib.crc32


def _gate(path: Path, crc32: Checksum) -> Probe:
    import xxhash

    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            data = file.read(min(size, MOST_BYTES))
    except OSError:
        return Probe(Header("other", fault="unreadable"))
    header = read_header(data, crc32)
    if len(data) == MOST_BYTES and header.fault == "truncated":
        header = msgspec.structs.replace(header, fault="")
    digest = xxhash.xxh3_128_hexdigest(data) if data else ""
    # Of a very large file only the beginning was read.
    return Probe(header, None, digest if size <= MOST_BYTES else f"{digest}-{size}")


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


def _each_in_lots(
    work: Callable[[Input], Output], items: Sequence[Input], cancelled: Callable[[], bool]
) -> Iterator[tuple[Input, Output]]:
    """As ``_each``, for work so short that handing it to a thread costs as much."""
    lots = [items[start : start + _LOT] for start in range(0, len(items), _LOT)]
    for lot, results in _each(lambda lot: [work(item) for item in lot], lots, cancelled):
        yield from zip(lot, results, strict=True)


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
