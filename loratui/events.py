"""What can happen in a run: frozen event types, and their form as JSON lines.

A trainer prints events (see ``PREFIX``) or a ``LogReader`` derives them from a log; the supervisor
stamps each into a ``Record`` and appends it to ``events.jsonl``; everything on screen is a fold
over those records.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

PREFIX = "@loratui "
"""Starts a line of standard output that carries one event of the builtin trainer."""

PhaseName = Literal[
    "starting",
    "libraries",
    "dataset",
    "model",
    "caching",
    "network",
    "hashing",
    "training",
    "validating",
    "sampling",
    "saving",
]
RunState = Literal["queued", "starting", "running", "stopping", "finished", "failed", "stopped", "lost"]
ENDED: frozenset[str] = frozenset({"finished", "failed", "stopped", "lost"})


class Event(msgspec.Struct, frozen=True, tag_field="event", omit_defaults=True):
    """The base of all events."""


class Phase(Event, frozen=True, tag="phase"):
    """The trainer is busy with something other than steps, or has gone back to them."""

    name: PhaseName
    detail: str = ""
    done: int | None = None
    total: int | None = None


class Planned(Event, frozen=True, tag="planned"):
    """The totals, known before the first step."""

    total_steps: int
    epochs: int
    images: int
    """Training images, each counted with its repeats."""
    batches_per_epoch: int
    first_step: int = 0
    """Steps already done when this attempt began (a resumed run)."""


class Step(Event, frozen=True, tag="step"):
    """One optimizer step is done."""

    step: int
    """Counted from 1, over all attempts of a run."""
    loss: float | None = None
    """This step's own loss; None when the engine prints only a mean. NaN and inf are written as None
    with ``finite`` false, since JSON has neither."""
    average_loss: float | None = None
    """The mean over the last epoch, as sd-scripts' LossRecorder keeps it."""
    epoch: int | None = None
    rates: dict[str, float] = {}
    """Learning rate used in this step by parameter group; with Prodigy this is d x lr."""
    gradient_norm: float | None = None
    """L2 norm over all trained tensors before clipping."""
    elapsed: float | None = None
    """Seconds spent in this step, without saving and sampling."""
    seconds_per_step: float | None = None
    """The trainer's own measure of its speed: the mean ``elapsed`` of its last steps, at most 50, so without
    loading, caching, saving and sampling."""
    images_per_second: float | None = None
    """Pictures shown in those steps, by all processes together, for each second of them."""
    finite: bool = True
    peak_memory: int | None = None
    """Bytes: the most the trainer has held so far, of the GPU's memory, or on a CPU of the machine's."""


class Measured(Event, frozen=True, tag="measured"):
    """Numbers of a step that became known after it, from the trainer's own files."""

    step: int
    """Counted from 1, over all attempts of a run."""
    loss: float | None = None
    """The step's own loss, where ``Step`` had only a mean."""
    rates: dict[str, float] = {}
    """As in ``Step``."""
    validation_loss: float | None = None
    """Mean over the pictures kept for validation."""


class Epoch(Event, frozen=True, tag="epoch"):
    """An epoch begins."""

    epoch: int
    epochs: int


class Checkpoint(Event, frozen=True, tag="checkpoint"):
    """A LoRA file is complete on disk."""

    path: str
    step: int
    epoch: int | None = None
    final: bool = False


class StateSaved(Event, frozen=True, tag="state"):
    """A folder to resume from is complete on disk."""

    path: str
    step: int
    epoch: int | None = None


class Sample(Event, frozen=True, tag="sample"):
    """A sample picture is complete on disk."""

    path: str
    step: int
    prompt: str = ""


class Message(Event, frozen=True, tag="message"):
    """A sentence for the person."""

    level: Literal["info", "warning", "error"]
    text: str
    key: str = ""
    """The hint's cause key, when the trainer itself knows it."""


class Hint(Event, frozen=True, tag="hint"):
    """A known issue was recognised. Its words are in the table of hints, by key."""

    key: str
    severity: Literal["fatal", "warning", "quality", "info"]
    line: str = ""
    """The log line it was recognised by; empty for a rule on numbers."""


class Ended(Event, frozen=True, tag="ended"):
    """The trainer's own last word: how far it came, and why it ends."""

    outcome: Literal["finished", "stopped", "failed"]
    step: int
    final_file: str = ""
    by_signal: int = 0
    """The signal that asked for a stop; 0 where there was none."""


class StateChanged(Event, frozen=True, tag="run"):
    """The supervisor's word on the run as a whole."""

    state: RunState
    reason: str = ""


AnyEvent = (
    Phase
    | Planned
    | Step
    | Measured
    | Epoch
    | Checkpoint
    | StateSaved
    | Sample
    | Message
    | Hint
    | Ended
    | StateChanged
)


class Record(msgspec.Struct, frozen=True):
    """An event as kept in ``events.jsonl``."""

    seq: int
    t: float
    """Wall clock, seconds since 1970: for display only."""
    t_mono: float
    """Seconds on the machine's monotonic clock: for rates and durations within one boot."""
    event: AnyEvent


_encoder = msgspec.json.Encoder()
_event_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)
_record_decoder: msgspec.json.Decoder[Record] = msgspec.json.Decoder(Record)


def encode(item: Event | Record) -> bytes:
    """One line of JSON, without the line break."""
    return _encoder.encode(item)


def decode_event(line: bytes | str) -> AnyEvent:
    """Raises ``msgspec.MsgspecError`` (a ``ValueError``) for anything that is not one event."""
    return _event_decoder.decode(line)


def decode_records(lines: list[bytes]) -> Iterator[Record]:
    """The records of whole lines; a line that does not parse (torn by a crash) is left out."""
    for line in lines:
        try:
            yield _record_decoder.decode(line)
        except ValueError:
            continue
