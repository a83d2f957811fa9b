"""What sd-scripts leaves in files and does not print: sample pictures, and the numbers in TensorBoard's log.

Its bar shows a mean and no learning rate (train_network.py:1515); its event file has each step's own loss
and real rates, and accelerate flushes it at each step (accelerate tracking.py, ``TensorBoardTracker.log``).
No line says that a picture is written (library/train_util.py:6573).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from loratui import kohya_config
from loratui.engines.kohya import resume as kohya_resume
from loratui.engines.kohya.tfevents import EventFile, Scalar
from loratui.events import Event, Measured, Planned, Sample, Step
from loratui.problems import UserError

_PNG_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_VALIDATION = frozenset({"loss/validation/step_average", "loss/validation/epoch_average"})
_OPTIONS = re.compile(r"\s--[a-z]+\s.*$")


class KohyaWatcher:
    """Looks into the folders of one attempt. What lies there before it starts is of earlier attempts."""

    def __init__(self, run_folder: Path) -> None:
        ledger = kohya_resume.read_ledger(run_folder)
        self._offset = ledger.steps_done - ledger.counter
        flat = _config(run_folder / "config.toml")
        output = flat.get("output_dir")
        name = flat.get("output_name") or "last"
        self._samples = (
            SampleFolder(run_folder, Path(output) / "sample", name, _prompts(flat)) if output else None
        )
        logs = flat.get("logging_dir")
        self._numbers = EventFolder(Path(logs), ledger.counter) if logs else None
        self._step = 0
        self._accumulation = flat.get("gradient_accumulation_steps") or 1
        self._per_epoch = 0

    def note(self, event: Event) -> None:
        """What the log has told meanwhile."""
        if isinstance(event, Planned):
            self._per_epoch = -(-event.batches_per_epoch // self._accumulation)
        match event:
            case Planned(first_step=step) | Step(step=step):
                self._step = step

    def poll(self) -> Iterator[Event]:
        """What has been written since."""
        if self._numbers is not None:
            yield from self._numbers.poll(self._offset, self._step)
        if self._samples is not None:
            yield from self._samples.poll(self._offset, self._step, self._per_epoch)


class SampleFolder:
    """Sample pictures as they appear: ``NAME_e000002_00_20261124040705_7.png`` by epoch, or
    ``NAME_000500_00_…`` by step (library/train_util.py:6573-6577)."""

    def __init__(self, run_folder: Path, folder: Path, name: str, prompts: list[str]) -> None:
        self._run_folder = run_folder
        self._folder = folder
        self._prompts = prompts
        self._pattern = re.compile(re.escape(name) + r"_(e?)(\d{6,})_(\d{2,})_\d{14}(?:_-?\d+)?\.png")
        self._known = set(self._names())

    def _names(self) -> list[str]:
        try:
            return sorted(path.name for path in self._folder.iterdir())
        except OSError:
            return []

    def poll(self, offset: int, step: int, per_epoch: int) -> Iterator[Sample]:
        """New pictures that are whole on disk. One named by its epoch was drawn at that epoch's end: its bar
        is drawn anew only after the pictures, so ``step`` may be the step before."""
        for name in self._names():
            if name in self._known:
                continue
            found = self._pattern.fullmatch(name)
            if found is None:
                self._known.add(name)
                continue
            if not _is_whole(self._folder / name):
                continue  # it is still being written
            self._known.add(name)
            index = int(found[3])
            prompt = self._prompts[index] if index < len(self._prompts) else ""
            number = int(found[2])
            at = (number * per_epoch or step) if found[1] else number + offset
            yield Sample(self._shown(name), at, prompt)

    def _shown(self, name: str) -> str:
        path = self._folder / name
        try:
            return str(path.resolve().relative_to(self._run_folder.resolve()))
        except (OSError, ValueError):
            return str(path)


class EventFolder:
    """The event files below ``logging_dir``, each attempt's in a folder named by the time."""

    def __init__(self, folder: Path, counter: int) -> None:
        self._folder = folder
        self._old = set(self._paths())
        self._files: dict[Path, EventFile] = {}
        self._fold = StepFold(counter)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("*/network_train/events.out.tfevents.*"))

    def poll(self, offset: int, step: int) -> Iterator[Measured]:
        """The numbers of steps completed since."""
        if not self._files:
            self._files = {path: EventFile(path) for path in self._paths() if path not in self._old}
        for file in self._files.values():
            for scalar in file.poll():
                yield from self._fold.feed(scalar, offset, step)


class StepFold:
    """Scalars into steps.

    With gradient accumulation each small step is logged: those before a step's last carry the number of the
    step before (train_network.py:1488-1533). A learning rate is logged once it is set for the next step.
    """

    def __init__(self, counter: int = 0) -> None:
        """``counter``: where sd-scripts' own count begins."""
        self._number = counter
        self._small: list[float] = []
        self._rates: dict[str, float] = {}

    def feed(self, scalar: Scalar, offset: int, step: int) -> Iterator[Measured]:
        """``offset`` is added to sd-scripts' own count of steps; ``step`` is the last one known of."""
        tag = scalar.tag
        if tag == "loss/current":
            if scalar.step == self._number:
                self._small.append(scalar.value)
                return
            losses = [*self._small, scalar.value]
            self._number, self._small = scalar.step, []
            loss = sum(losses) / len(losses)
            rates, self._rates = real_rates(self._rates), {}
            yield Measured(scalar.step + offset, loss if math.isfinite(loss) else None, rates)
        elif tag.startswith("lr/"):
            self._rates[tag.removeprefix("lr/")] = scalar.value
        elif tag in _VALIDATION and math.isfinite(scalar.value):
            yield Measured(step, validation_loss=scalar.value)


def real_rates(logged: Mapping[str, float]) -> dict[str, float]:
    """Rates by parameter group: d x lr where the optimizer finds its own, and no group twice (sd-scripts logs
    each again as ``groupN``, train_network.py:118-133)."""
    adaptive = {name.removeprefix("d*lr/"): rate for name, rate in logged.items() if name.startswith("d*lr/")}
    plain = {name: rate for name, rate in logged.items() if not name.startswith("d*lr")}
    if "d*lr" in logged:
        return {"d*lr": logged["d*lr"]}
    found = {name: adaptive.get(name, rate) for name, rate in plain.items()}
    named = {name: rate for name, rate in found.items() if not re.fullmatch(r"group\d+", name)}
    return named or found


def _is_whole(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - len(_PNG_END)))
            return file.read() == _PNG_END
    except OSError:
        return False


def _config(path: Path) -> dict[str, Any]:
    try:
        return kohya_config.read(path)
    except (OSError, UserError):
        return {}


def _prompts(flat: Mapping[str, Any]) -> list[str]:
    """The sample prompts by number, without their options (library/train_util.py, ``load_prompts``)."""
    path = flat.get("sample_prompts")
    if not isinstance(path, str) or not path.endswith(".txt"):
        return []
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    kept = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    return [_OPTIONS.sub("", line) for line in kept]
