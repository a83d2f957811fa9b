"""What a run looks like now: a fold over its records into one frozen snapshot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from loratui.events import (
    Checkpoint,
    Ended,
    Epoch,
    Hint,
    Measured,
    Message,
    Phase,
    Planned,
    Record,
    RunState,
    Sample,
    StateChanged,
    StateSaved,
    Step,
)
from loratui.runs.losses import EpochMean, LossHistory
from loratui.runs.pace import Pace

KEPT_MESSAGES = 50
MOST_CURVES = 12
"""Besides the loss; parameter groups beyond that are not drawn."""


@dataclass(frozen=True, slots=True)
class RunView:
    """One run at one moment."""

    state: RunState = "starting"
    reason: str = ""
    phase: Phase = field(default_factory=lambda: Phase("starting"))
    step: int = 0
    total_steps: int | None = None
    epoch: int | None = None
    epochs: int | None = None
    images: int | None = None
    batches_per_epoch: int | None = None
    loss: float | None = None
    average_loss: float | None = None
    finite: bool = True
    rates: dict[str, float] = field(default_factory=dict)
    gradient_norm: float | None = None
    validation_loss: float | None = None
    """The last one measured."""
    peak_memory: int | None = None
    """Bytes: the most the trainer says it has held."""
    seconds_per_step: float | None = None
    """Of the steps alone, lately: the trainer's own measure, or else one of what it tells of each step."""
    images_per_second: float | None = None
    """The trainer's own measure, lately."""
    stepped_at: float | None = None
    """When the last step was told of; wall clock, seconds since 1970."""
    seconds_left: float | None = None
    """By what has passed from step to step so far, with saving and sampling, without loading and caching."""
    checkpoints: tuple[Checkpoint, ...] = ()
    states: tuple[StateSaved, ...] = ()
    samples: tuple[Sample, ...] = ()
    hints: tuple[Hint, ...] = ()
    hinted_at: dict[str, float] = field(default_factory=dict)
    """When each hint was last met, by key; wall clock, seconds since 1970."""
    began_at: float = 0.0
    """When the latest attempt did; wall clock, seconds since 1970."""
    messages: tuple[Message, ...] = ()
    """The last few."""
    messages_seen: int = 0
    """All there ever were."""
    final_file: str = ""
    losses: LossHistory = field(default_factory=LossHistory)
    """Shared with the fold that goes on adding to it; read it before the next ``feed``."""
    epoch_means: tuple[EpochMean, ...] = ()
    curves: dict[str, LossHistory] = field(default_factory=dict)
    """What else came with the steps, by name: each rate and the gradient norm. Shared as ``losses`` is."""

    @property
    def fatal_hints(self) -> list[Hint]:
        """Those met since the latest attempt began: what ended an earlier one ended no other."""
        fatal = (hint for hint in self.hints if hint.severity == "fatal")
        return [hint for hint in fatal if self.hinted_at.get(hint.key, self.began_at) >= self.began_at]


class RunFold:
    """Folds records, in order, into the current view."""

    def __init__(self) -> None:
        self._values: dict[str, object] = {}
        self._losses = LossHistory()
        self._measured = False
        """Whether steps' own losses come in after them."""
        self._epoch_of_step: tuple[int, int] = (0, 0)
        self._epoch_means: dict[int, EpochMean] = {}
        self._curves: dict[str, LossHistory] = {}
        self._checkpoints: list[Checkpoint] = []
        self._states: list[StateSaved] = []
        self._samples: list[Sample] = []
        self._hints: dict[str, Hint] = {}
        self._hinted_at: dict[str, float] = {}
        self._messages: list[Message] = []
        self._messages_seen = 0
        self._pace = Pace()
        self._own_speed: float | None = None

    def feed(self, records: Iterable[Record]) -> None:
        """Take in more records."""
        for record in records:
            self._take(record)

    def view(self) -> RunView:
        """The run as of the last record taken in."""
        overall = self._pace.seconds_per_step_overall
        total, step = self._values.get("total_steps"), self._values.get("step", 0)
        left = None
        if overall is not None and isinstance(total, int) and isinstance(step, int):
            left = max(0, total - step) * overall
        return RunView(
            **self._values,  # type: ignore[arg-type]
            seconds_per_step=self._own_speed or self._pace.seconds_per_step,
            seconds_left=left,
            checkpoints=tuple(self._checkpoints),
            states=tuple(self._states),
            samples=tuple(self._samples),
            hints=tuple(self._hints.values()),
            hinted_at=dict(self._hinted_at),
            messages=tuple(self._messages),
            messages_seen=self._messages_seen,
            losses=self._losses,
            epoch_means=tuple(self._epoch_means[epoch] for epoch in sorted(self._epoch_means)),
            curves=self._curves,
        )

    def _take(self, record: Record) -> None:
        match record.event:
            case Step() as step:
                self._take_step(step, record.t_mono)
                self._values["stepped_at"] = record.t
            case Measured() as measured:
                self._take_measured(measured)
            case Phase() as phase:
                self._values["phase"] = phase
            case Planned() as planned:
                self._values |= {
                    "total_steps": planned.total_steps,
                    "epochs": planned.epochs,
                    "images": planned.images,
                    "batches_per_epoch": planned.batches_per_epoch,
                    "step": planned.first_step,
                }
                self._pace.restart()
                self._values["stepped_at"] = None
            case Epoch() as epoch:
                self._values |= {"epoch": epoch.epoch, "epochs": epoch.epochs}
            case Checkpoint() as checkpoint:
                self._checkpoints.append(checkpoint)
                if checkpoint.final:
                    self._values["final_file"] = checkpoint.path
            case StateSaved() as state:
                self._states.append(state)
            case Sample() as sample:
                self._samples.append(sample)
            case Hint() as hint:
                self._hints.setdefault(hint.key, hint)
                self._hinted_at[hint.key] = record.t
            case Message() as message:
                self._messages = [*self._messages[1 - KEPT_MESSAGES :], message]
                self._messages_seen += 1
            case Ended() as ended:
                if ended.final_file:
                    self._values["final_file"] = ended.final_file
            case StateChanged() as changed:
                self._values |= {"state": changed.state, "reason": changed.reason}
                if changed.state == "starting":
                    self._values["began_at"] = record.t

    def _take_step(self, step: Step, t_mono: float) -> None:
        loss = step.loss if step.loss is not None else step.average_loss
        self._values |= {
            "step": step.step,
            "average_loss": step.average_loss,
            "finite": step.finite,
            "gradient_norm": step.gradient_norm,
        }
        if step.rates or not self._measured:
            self._values["rates"] = step.rates
        if step.loss is not None or not self._measured or not step.finite:
            self._values["loss"] = loss
        if step.peak_memory is not None:
            self._values["peak_memory"] = step.peak_memory
        if step.epoch is not None:
            self._values["epoch"] = step.epoch
            self._epoch_of_step = (step.step, step.epoch)
        if step.loss is not None:
            self._take_loss(step.step, step.loss, step.epoch)
        elif loss is not None and not self._measured:
            self._losses.add(step.step, loss)
        if step.gradient_norm is not None:
            self._add_to_curve("gradient norm", step.step, step.gradient_norm)
        for group, rate in step.rates.items():
            self._add_to_curve(f"rate {group}", step.step, rate)
        self._pace.add(step.step, t_mono, step.elapsed)
        self._own_speed = step.seconds_per_step
        self._values["images_per_second"] = step.images_per_second

    def _take_loss(self, step: int, loss: float, epoch: int | None) -> None:
        """A step's own loss."""
        self._losses.add(step, loss)
        if epoch is not None:
            known = self._epoch_means.get(epoch)
            first = EpochMean(epoch, step, step, 1, loss)
            self._epoch_means[epoch] = known.with_step(step, loss) if known else first

    def _take_measured(self, measured: Measured) -> None:
        """The chart of means gives way to one of the steps' own losses: both begin at the first step."""
        if measured.validation_loss is not None:
            self._values["validation_loss"] = measured.validation_loss
            self._add_to_curve("validation loss", measured.step, measured.validation_loss)
        if measured.rates:
            self._values["rates"] = measured.rates
        for group, rate in measured.rates.items():
            self._add_to_curve(f"rate {group}", measured.step, rate)
        if measured.loss is None:
            return
        if not self._measured:
            self._measured, self._losses = True, LossHistory()
        step, epoch = self._epoch_of_step
        self._take_loss(measured.step, measured.loss, epoch if step == measured.step else None)
        self._values["loss"] = measured.loss

    def _add_to_curve(self, name: str, step: int, value: float) -> None:
        if name not in self._curves and len(self._curves) >= MOST_CURVES:
            return
        self._curves.setdefault(name, LossHistory()).add(step, value)
