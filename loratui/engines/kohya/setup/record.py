"""What was done: kohya.json below loratui's home, which ``loratui.kohya_checkout`` reads."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from loratui import kohya_checkout, places
from loratui.atomic import new_file
from loratui.problems import UserError, refusal

WAY_OUT = "Make room, or set LORATUI_HOME to a folder you can write to."


def write(**changes: Any) -> dict[str, Any]:
    """The record with ``changes``; None takes a key out. Raises ``UserError`` when the disk refuses."""
    record = {
        key: value for key, value in (kohya_checkout.read_record() | changes).items() if value is not None
    }
    with new_file(kohya_checkout.record_path(), WAY_OUT) as path:
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return record


def is_done(step: str, fingerprint: str) -> bool:
    """Whether a step was done with the same inputs."""
    steps = kohya_checkout.read_record().get("steps")
    return isinstance(steps, dict) and steps.get(step) == fingerprint


def begin(step: str) -> None:
    """``step`` and all that stands on it is in the works from here on."""
    steps = dict(kohya_checkout.read_record().get("steps") or {})
    steps.pop(step, None)
    write(doing=step, steps=steps)


def done(step: str, fingerprint: str) -> None:
    """``step`` is done with these inputs."""
    steps = dict(kohya_checkout.read_record().get("steps") or {})
    write(steps={**steps, step: fingerprint})


@contextmanager
def alone() -> Iterator[None]:
    """One setup at a time. Raises ``UserError`` while another one works."""
    home = places.home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(home / "kohya.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise refusal(home, f"it cannot be written to: {error.strerror}.", WAY_OUT) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise _busy() from None
    try:
        yield
    finally:
        os.close(descriptor)


def _busy() -> UserError:
    return refusal("setup kohya", "another one is at work here.", "Wait for it, or end it (ctrl+c there).")
