"""The base model is read into the page cache in a thread while torch is imported: both take long, and neither
needs the other.

A fault in here is none of the training's: it finds out itself in its own time, and then says so.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from threading import Thread

_LOOKS = 64
"""Places of a file that are looked at to tell whether it is in memory already."""


def read_ahead(model: Path) -> Thread:
    """Begin with a file, or with a diffusers folder."""
    work = Thread(target=_read, args=(model,), daemon=True)
    work.start()
    return work


def _read(model: Path) -> None:
    if os.environ.get("LOCAL_RANK", "0") != "0" or not hasattr(os, "sendfile"):
        return
    with suppress(OSError, ValueError):
        files = [model] if model.is_file() else sorted(model.glob("*/*.safetensors"))
        # More than that would drive itself out again.
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        if sum(file.stat().st_size for file in files) < limit:
            for file in files:
                _into_cache(file)


def _into_cache(path: Path) -> None:
    """Read a file without a copy of it in this process. Raises ``OSError``."""
    with path.open("rb") as file, Path(os.devnull).open("wb") as nowhere:
        size = path.stat().st_size
        if _is_cached(file.fileno(), size):
            return
        done = 0
        while sent := os.sendfile(nowhere.fileno(), file.fileno(), done, size - done):
            done += sent


def _is_cached(descriptor: int, size: int) -> bool:
    """Whether all of a file is in memory, as far as a few looks tell."""
    byte = bytearray(1)
    try:
        for number in range(_LOOKS):
            os.preadv(descriptor, [byte], size * number // _LOOKS, os.RWF_NOWAIT)
    except OSError:  # it would have to wait, or the file system cannot tell
        return False
    return True
