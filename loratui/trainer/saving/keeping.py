"""What is kept along the way: checkpoints, states and samples, when each is due, and what then goes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from loratui.problems import UserError
from loratui.trainer.control import Asked
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.saving import checkpoints
from loratui.trainer.schedule import Plan
from loratui.trainer.settings.config import TrainConfig


@dataclass(slots=True)
class Keeping:
    """Called at the end of every step and epoch. ``epoch`` counts from 1 throughout."""

    config: TrainConfig
    plan: Plan
    report: Reporter
    save_lora: Callable[[str, int], Path]
    """By stem and epoch."""
    save_state: Callable[[str, int], Path]
    draw: Callable[[int | None], None]
    """The sample pictures, named by an epoch, else by the step."""
    asked: Asked = field(default_factory=Asked)
    state_seconds: float = 0.0
    """Between states saved by time; 0 saves none."""
    clock: Callable[[], float] = time.monotonic
    _state_due: float = field(init=False)
    _by_time: Path | None = field(init=False, default=None)
    _saved: set[str] = field(init=False, default_factory=set)
    """Stems of this step that are on disk."""

    def __post_init__(self) -> None:
        self._state_due = self.clock() + self.state_seconds

    def after_step(self, step: int, epoch: int) -> None:
        """The last step's file is the final one."""
        config = self.config
        self._saved.clear()
        if step < self.plan.total_steps:
            stem = checkpoints.step_stem(config, step)
            if checkpoints.is_due(config.save_every_n_steps, step):
                self._keep(stem, epoch, with_state=config.save_state)
                checkpoints.remove_old_steps(config, step)
            asked = self.asked.take()
            if "save" in asked:
                self._keep(stem, epoch, with_state=True)
            if self.state_seconds and self.clock() >= self._state_due:
                self._save_by_time(stem, epoch)
            if self._saved:
                self.report.phase("training")
        else:
            asked = self.asked.take()
        # Epochs win over steps, when both are given (library/train_util.py, ``sample_images_common``).
        due = not config.sample_every_n_epochs and checkpoints.is_due(config.sample_every_n_steps, step)
        if due or "sample" in asked:
            self.draw(None)

    def after_epoch(self, epoch: int) -> None:
        """The last epoch's file is the final one."""
        config = self.config
        if epoch < self.plan.epochs and checkpoints.is_due(config.save_every_n_epochs, epoch):
            self._keep(checkpoints.epoch_stem(config, epoch), epoch, with_state=config.save_state)
            checkpoints.remove_old(config, epoch)
            self.report.phase("training")
        if checkpoints.is_due(config.sample_every_n_epochs, epoch):
            self.draw(epoch)

    def state_saved(self, path: Path) -> None:
        """A newer state is on disk: the one saved by time has done its duty."""
        self._state_due = self.clock() + self.state_seconds
        if self._by_time is not None and self._by_time != path:
            shutil.rmtree(self._by_time, ignore_errors=True)
        self._by_time = None

    def _keep(self, stem: str, epoch: int, *, with_state: bool) -> None:
        if stem not in self._saved:
            self.save_lora(stem, epoch)
            self._saved.add(stem)
        if with_state and f"{stem}-state" not in self._saved:
            self.state_saved(self.save_state(stem, epoch))
            self._saved.add(f"{stem}-state")

    def _save_by_time(self, stem: str, epoch: int) -> None:
        try:
            path = self.save_state(stem, epoch)
        except UserError as error:
            # Training itself can go on, and the disk may have room again by then.
            self.report.message("warning", f"The state that is due could not be saved. {error}")
            self._state_due = self.clock() + self.state_seconds
            return
        self.state_saved(path)
        self._by_time = path
        self._saved.add(f"{stem}-state")
