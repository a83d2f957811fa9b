"""A download as a process of its own, which outlives the screens it was started from, and what it says of
itself in one small file."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from loratui import places, python_path
from loratui.atomic import new_file
from loratui.models import remote
from loratui.models.catalog import GB, Entry
from loratui.models.download import Fetching, StoppedError, download
from loratui.models.remote import Wanted
from loratui.problems import UserError

State = Literal["fetching", "checking", "done", "failed", "broken"]


class Progress(msgspec.Struct, frozen=True):
    """How far a download is."""

    state: State
    pid: int
    file: str = ""
    done: int = 0
    """Bytes, of all files together."""
    total: int | None = None
    bytes_per_second: float | None = None
    message: str = ""
    """Why it failed."""

    @property
    def under_way(self) -> bool:
        """Whether there is more to come without anybody doing anything."""
        return self.state in ("fetching", "checking")

    def sentence(self) -> str:
        """One line for the eyes."""
        match self.state:
            case "done":
                return "downloaded"
            case "failed":
                return self.message
            case "broken":
                return f"broke off at {self.done / GB:.2f} GB; it goes on from there when asked again"
            case "checking":
                return f"checking {self.file}"
        of = f" of {self.total / GB:.2f}" if self.total else ""
        percent = f"  {100 * self.done // self.total} %" if self.total else ""
        left = ""
        if self.bytes_per_second and self.total:
            seconds = max(0, self.total - self.done) / self.bytes_per_second
            left = f"  {seconds / 60:.0f} min left" if seconds >= 90 else f"  {seconds:.0f} s left"
        speed = f"  {self.bytes_per_second / 1e6:.1f} MB/s" if self.bytes_per_second else ""
        return f"{self.done / GB:.2f}{of} GB{percent}{speed}{left}"


def status_file(name: str) -> Path:
    """Where the download of a model says how far it is."""
    return places.models_folder() / f".{name}.download.json"


def status(name: str) -> Progress | None:
    """How far a download is; None when there was none, or what it left cannot be read."""
    try:
        found = msgspec.json.decode(status_file(name).read_bytes(), type=Progress)
    except (OSError, ValueError):
        return None
    if found.under_way and not _is_alive(found.pid):
        return msgspec.structs.replace(found, state="broken")
    return found


def start(name: str) -> None:
    """Begin, or go on with, the download of a model, and leave it alone. Tokens go by the environment."""
    places.models_folder().mkdir(parents=True, exist_ok=True)
    found = status(name)
    if found is not None and found.under_way:
        return
    status_file(name).unlink(missing_ok=True)
    with (places.models_folder() / f".{name}.download.log").open("wb") as log:
        subprocess.Popen(
            python_path.own("loratui", "download", name),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            close_fds=True,
        )


def fetch(
    entry: Entry,
    tell: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Path, ...]:
    """Fetch all files of a model that are not here, and keep its status file. Returns where they lie, the
    model first. Raises as ``download`` does."""
    return fetch_all(entry.name, remote.wanted(entry), tell, should_stop)


def fetch_all(
    name: str,
    files: tuple[Wanted, ...],
    tell: Callable[[Progress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Path, ...]:
    """Every file asked for first, so that a refusal comes before gigabytes do; then fetched in turn."""
    pid, before, last = os.getpid(), 0, 0.0
    total: int | None = None

    def report(now: Fetching) -> None:
        nonlocal last
        state: State = "checking" if now.checking else "fetching"
        of = total if total is not None else (now.total if len(files) == 1 else None)
        found = Progress(state, pid, now.name, before + now.done, of, now.bytes_per_second)
        tell(found)
        if now.checking or time.monotonic() - last > 1:
            last = time.monotonic()
            _write(name, found)

    try:
        asked = [one if one.target.is_file() else remote.ask(one) for one in files]
        sizes = [one.target.stat().st_size if one.target.is_file() else one.size for one in asked]
        if all(size is not None for size in sizes):
            total = sum(size or 0 for size in sizes)
        paths = []
        for one, size in zip(asked, sizes, strict=True):
            paths.append(download(one, report, should_stop=should_stop))
            before += size or paths[-1].stat().st_size
    except UserError as error:
        _write(name, Progress("failed", pid, message=str(error)))
        raise
    except (StoppedError, KeyboardInterrupt):
        _write(name, Progress("broken", pid, done=before, total=total))
        raise
    _write(name, Progress("done", pid, done=before, total=before))
    return tuple(paths)


def _write(name: str, progress: Progress) -> None:
    """Best effort: a status that cannot be written is no reason to stop."""
    try:
        with new_file(status_file(name)) as temporary:
            temporary.write_bytes(msgspec.json.encode(progress))
    except UserError:
        return


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
