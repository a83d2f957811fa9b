"""What lies in a run's folder, and how each file in it is written and read.

A run folder holds ``recipe.toml config.toml launch.json run.json status.json events.jsonl output.log
supervisor.log control/ lock checkpoints/ samples/``; folders are 0700, files 0600.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from loratui.events import RunState
from loratui.recipe import EngineName
from loratui.runs.files import PRIVATE_FILE, replace_file
from loratui.runs.process import ProcessIdentity


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder and the places in it."""

    id: str
    folder: Path

    @property
    def recipe(self) -> Path:
        return self.folder / "recipe.toml"

    @property
    def config(self) -> Path:
        return self.folder / "config.toml"

    @property
    def launch(self) -> Path:
        return self.folder / "launch.json"

    @property
    def run_file(self) -> Path:
        return self.folder / "run.json"

    @property
    def status(self) -> Path:
        return self.folder / "status.json"

    @property
    def events(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def output(self) -> Path:
        return self.folder / "output.log"

    @property
    def supervisor_log(self) -> Path:
        return self.folder / "supervisor.log"

    @property
    def control(self) -> Path:
        return self.folder / "control"

    @property
    def asked(self) -> Path:
        """Where the builtin trainer itself looks for requests."""
        return self.control / "trainer"

    @property
    def lock(self) -> Path:
        return self.folder / "lock"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def samples(self) -> Path:
        return self.folder / "samples"


EDITED = "edited.toml"
"""In the folder of a run that waits: its recipe as somebody is changing it, not saved yet."""


class RunFile(msgspec.Struct, frozen=True):
    """run.json: what a run is. Written once."""

    id: str
    name: str
    """The output name of the recipe."""
    engine: EngineName
    created: str
    """ISO 8601, UTC."""
    total_steps: int | None
    """As planned before the start, where that is known."""
    model: str
    """The base model's file or folder name, or hub id."""
    summary: str
    """The recipe in one line."""
    family: str = ""
    """Of the base model; empty where the recipe does not say, and in runs of earlier versions."""


class Status(msgspec.Struct, frozen=True):
    """status.json: how a run is. Replaced on every change and as a heartbeat."""

    state: RunState
    reason: str = ""
    attempt: int = 1
    supervisor: ProcessIdentity | None = None
    trainer: ProcessIdentity | None = None
    step: int = 0
    total_steps: int | None = None
    loss: float | None = None
    final_file: str = ""
    started: float = 0.0
    """When this attempt began; wall clock, seconds since 1970."""
    updated: float = 0.0
    """Wall clock, seconds since 1970."""
    exit_code: int | None = None
    """The trainer's; negative for the signal that ended it."""
    gpu: str = ""
    """The name of the first GPU that it could use; empty where there was none."""
    gpus: tuple[int, ...] | None = None
    """The GPUs it was given, as NVML counts them; None where they were named in another way (UUID, MIG)."""


def write_files(run: Run, files: Mapping[str, str]) -> None:
    """Files an engine's command reads, by bare name in the run folder. Raises ``OSError``, and ``ValueError``
    for a name that is a path or one of the run's own files."""
    own = {path.name for path in (run.run_file, run.status, run.events, run.output, run.lock, run.recipe)}
    for name, text in files.items():
        if Path(name).name != name or name in own:
            raise ValueError(f"{name!r} cannot be written into a run folder")
        replace_file(run.folder / name, text.encode())


_SPARE_BYTES = 4096


def write_status(run: Run, status: Status) -> None:
    """Replace status.json, stamped with the time. Raises ``OSError``.

    On a full disk the block reserved by ``reserve_status`` takes the new text, so that the status
    can still say so.
    """
    data = msgspec.json.encode(msgspec.structs.replace(status, updated=time.time())) + b"\n"
    try:
        replace_file(run.status, data)
    except OSError as error:
        spare = _spare(run)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT) or len(data) > _SPARE_BYTES or not spare.exists():
            raise
        with spare.open("r+b") as file:
            file.write(data.ljust(_SPARE_BYTES))
        spare.replace(run.status)
        reserve_status(run)  # the old status has just made room


def reserve_status(run: Run) -> None:
    """Keep room on the disk for one more status.json, where there is any."""
    with contextlib.suppress(OSError):
        replace_file(_spare(run), b" " * _SPARE_BYTES)


def _spare(run: Run) -> Path:
    return run.folder / ".status.spare"


def read_status(run: Run) -> Status | None:
    """status.json; None when it is missing or not readable."""
    try:
        return msgspec.json.decode(run.status.read_bytes(), type=Status)
    except (OSError, ValueError):
        return None


def read_run_file(run: Run) -> RunFile | None:
    """run.json; None when it is missing or not readable."""
    try:
        return msgspec.json.decode(run.run_file.read_bytes(), type=RunFile)
    except (OSError, ValueError):
        return None


def request(run: Run, action: str) -> None:
    """Leave a request for the supervisor; it appears under its name all at once. Raises ``OSError``."""
    name = f"{action}-{time.time_ns()}-{uuid.uuid4().hex[:8]}.json"
    hidden = run.control / f".{name}"
    descriptor = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    try:
        os.write(descriptor, msgspec.json.encode({"action": action, "at": time.time()}))
    finally:
        os.close(descriptor)
    hidden.rename(run.control / name)


def ask_trainer(run: Run, action: Literal["save", "sample"]) -> None:
    """Ask the builtin trainer for a checkpoint with its state, or for sample pictures, at the end of its
    step. Raises ``OSError``."""
    run.asked.mkdir(mode=0o700, exist_ok=True)
    replace_file(run.asked / action, b"")


def take_requests(run: Run) -> list[str]:
    """The actions asked for since the last call, in order; each is taken away."""
    actions = []
    with contextlib.suppress(OSError):
        for path in sorted(run.control.glob("[a-z]*-*.json"), key=lambda path: path.name.split("-")[1]):
            path.unlink(missing_ok=True)
            actions.append(path.name.partition("-")[0])
    return actions
