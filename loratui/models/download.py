"""Fetching a file: resumed where it broke off, checked by length and SHA-256, in its place only when whole.

What has come lies beside its place as ``.NAME.part``; a lock on it keeps two from fetching the same file.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO

from loratui.atomic import sync_folder
from loratui.models import remote
from loratui.models.remote import Wanted
from loratui.problems import Problem, UserError

_CHUNK = 1 << 20
_TELL_EVERY = 0.5
_TRIES = 5
"""In a row without a byte."""
_WAIT = 2.0
MARGIN = 1 << 30
"""Bytes that stay free: a full disk ends every run on it."""


@dataclass(frozen=True, slots=True)
class Fetching:
    """One file under way."""

    name: str
    done: int
    total: int | None
    bytes_per_second: float | None
    checking: bool = False
    """All of it is here, and its checksum is being made."""


class StoppedError(Exception):
    """The person does not want to go on; what has come is kept."""


def part_of(target: Path) -> Path:
    """Where a file lies while it is not whole."""
    return target.with_name(f".{target.name}.part")


def download(
    one: Wanted,
    tell: Callable[[Fetching], None] = lambda _: None,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    wait: float = _WAIT,
) -> Path:
    """Fetch one file, unless it is there. Returns where it lies.

    Raises ``UserError`` when it is refused, does not fit on the disk, or comes damaged, and
    ``StoppedError`` when ``should_stop`` says so.
    """
    if one.target.is_file():
        return one.target
    one = remote.ask(one)
    try:
        one.target.parent.mkdir(parents=True, exist_ok=True)
        with _held(one) as file:
            if one.target.is_file():  # another one has just finished it
                return one.target
            _check_room(one, file)
            _fetch_all(one, file, tell, should_stop, wait)
            _check(one, file, tell)
            os.fsync(file.fileno())
            part_of(one.target).replace(one.target)
            sync_folder(one.target.parent)
    except OSError as error:
        raise _disk(one, error) from None
    return one.target


@contextmanager
def _held(one: Wanted) -> Iterator[BinaryIO]:
    """The part, open at its end, and nobody else's."""
    with part_of(one.target).open("ab+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(
                one.target.name,
                Problem("", "another loratui is fetching it already.", "See how far it is: loratui models"),
            ) from None
        yield file


def _check_room(one: Wanted, file: BinaryIO) -> None:
    if one.size is None:
        return
    free = shutil.disk_usage(one.target.parent).free
    needed = one.size - file.seek(0, os.SEEK_END)
    if needed + MARGIN > free:
        raise UserError(
            one.target.name,
            Problem(
                "",
                f"{_gb(needed)} are still to come, and {one.target.parent} has {_gb(free)} free.",
                "Make room, or set LORATUI_HOME to a folder on a larger disk.",
            ),
        )


def _fetch_all(
    one: Wanted,
    file: BinaryIO,
    tell: Callable[[Fetching], None],
    should_stop: Callable[[], bool],
    wait: float,
) -> None:
    """Until the last byte, over as many connections as it takes."""
    failures = 0
    while one.size is None or file.seek(0, os.SEEK_END) < one.size:
        before = file.seek(0, os.SEEK_END)
        trouble: OSError | HTTPException
        try:
            if _fetch_once(one, file, tell, should_stop):
                return
            trouble = ConnectionError("the connection was cut")
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 416:  # what is here is longer than what is there
                    file.truncate(0)
                elif error.code < 500:
                    raise remote.refused(one, error.code, error.headers) from None
            trouble = error
        except (TimeoutError, ConnectionError, urllib.error.URLError, HTTPException) as error:
            trouble = error
        failures = 1 if file.seek(0, os.SEEK_END) > before else failures + 1
        if failures >= _TRIES:
            raise remote.unreachable(one, trouble)
        time.sleep(wait)


def _fetch_once(
    one: Wanted, file: BinaryIO, tell: Callable[[Fetching], None], should_stop: Callable[[], bool]
) -> bool:
    """One connection's worth. Returns whether that was the last of it."""
    start = file.seek(0, os.SEEK_END)
    with remote.fetch(one, start) as response:
        if start and response.status != 206:  # this server cannot resume: once more from the beginning
            file.truncate(0)
            start = 0
        length = response.headers.get("Content-Length", "")
        total = one.size or (start + int(length) if length.isdecimal() else None)
        done, told_at, began = start, 0.0, time.monotonic()
        while chunk := response.read(_CHUNK):
            file.write(chunk)
            done += len(chunk)
            now = time.monotonic()
            if now - told_at >= _TELL_EVERY:
                told_at = now
                speed = (done - start) / (now - began) if now > began else None
                tell(Fetching(one.target.name, done, total, speed))
            if should_stop():
                file.flush()
                raise StoppedError
        file.flush()
        return total is None or done >= total


def _check(one: Wanted, file: BinaryIO, tell: Callable[[Fetching], None]) -> None:
    """Compare length and checksum with what was promised; a damaged file does not stay."""
    length = file.seek(0, os.SEEK_END)
    tell(Fetching(one.target.name, length, one.size or length, None, checking=True))
    wrong = ""
    if one.size is not None and length != one.size:
        wrong = f"{length:,} bytes came, and {one.size:,} were promised."
    elif one.sha256:
        file.seek(0)
        digest = _sha256(file)
        if not digest.startswith(one.sha256.lower()):
            wrong = f"its checksum is {digest[:16]}, and should be {one.sha256[:16]}."
    if wrong:
        part_of(one.target).unlink(missing_ok=True)
        raise UserError(one.target.name, Problem("", f"it came damaged: {wrong}", "Fetch it again."))


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _disk(one: Wanted, error: OSError) -> UserError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    way_out = "What came is kept; make room and fetch it again: it goes on from there."
    return UserError(
        str(one.target),
        Problem(
            "",
            f"it could not be written: {error.strerror or error}.",
            way_out if full else "Set LORATUI_HOME to a folder you can write to.",
        ),
    )


def _gb(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
