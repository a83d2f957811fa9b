"""What sd-scripts prints, as events.

Both streams are read as they interleave: standard output has the totals, the epochs and the files saved,
standard error the logger and all bars. Which of them a line is on, and what the unlabelled bars count, is
known from the lines alone (train_network.py, library/train_util.py; the events of accelerate's own loggers
too). User text (captions, prompts, paths) can only stand behind a fixed beginning, so every pattern is
matched at a message's start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from loratui.engines.kohya.failures import Failures
from loratui.engines.kohya.lines import Bar, Parts, Text
from loratui.engines.kohya.plan import Plan
from loratui.engines.kohya.steps import StepBar
from loratui.events import Checkpoint, Ended, Epoch, Event, Message, Phase, PhaseName, StateSaved


def _phase(pattern: str, name: PhaseName, detail: str = "") -> tuple[re.Pattern[str], PhaseName, str]:
    return re.compile(pattern), name, detail


_PHASES = (
    _phase(r"The following values were not passed to `accelerate launch`", "libraries"),
    _phase(r"Loading settings from", "dataset"),
    _phase(r"Using DreamBooth method|Load dataset config from|Loading dataset config from", "dataset"),
    _phase(r"prepare images\.", "dataset"),
    _phase(r"get image size from name of cache files", "dataset", "names of cached latents"),
    _phase(r"loading image sizes\.", "dataset", "sizes"),
    _phase(r"preparing accelerator", "model"),
    _phase(r"loading model for process", "model"),
    _phase(r"load(?:ing)? (?:StableDiffusion checkpoint|Diffusers pretrained models)", "model"),
    _phase(r"loading u-net", "model", "VAE"),
    _phase(r"loading vae", "model", "text encoder"),
    _phase(r"(?:caching latents|checking cache validity)", "caching", "latents"),
    _phase(r"cach(?:e|ing) [Tt]ext [Ee]ncoder outputs|checking cache existence", "caching", "captions"),
    _phase(r"import network module: ", "network"),
    _phase(r"create LoRA network|create LyCORIS|Create LyCORIS", "network"),
    _phase(r"running training\b", "network"),
    _phase(r"generating sample images at step", "sampling"),
    _phase(r"saving state at|saving last state", "saving", "state"),
    _phase(r"uploading (?:last )?state to huggingface", "saving", "upload"),
    _phase(r"unet dtype: ", "training"),
)
_HASHING = Phase("hashing")
"""After its totals sd-scripts computes the base model's SHA-256 for the metadata, without a word: 10 s for
2 GB on a busy machine (train_network.py:1211)."""
_EPOCH = re.compile(r"epoch (\d+)/(\d+)\s*$")
_NEXT_EPOCH = re.compile(r"epoch is incremented\. current_epoch: \d+, epoch: (\d+)")
_SAVING = re.compile(r"saving checkpoint: (.+)$")
_SAVED = re.compile(r"model saved\.")
_STATE_PATH = re.compile(r"save train state to (.+?)[\\/]train_state\.json at epoch \d+ step (\d+)")
_STATE_DONE = re.compile(r"Random states saved in\b")
_NEW_ATTEMPT = re.compile(r"Loading settings from|preparing accelerator")
_NO_DATA = re.compile(r"No data found\. Please verify")
_EPOCH_FILE = re.compile(r"-(\d{6})\.\w+$")
_STEP_FILE = re.compile(r"-step(\d{8})\.\w+$")
_VALIDATION = frozenset({"validation steps", "epoch validation steps"})
_LABELS: dict[str, tuple[PhaseName, str]] = {
    "read caption": ("dataset", "captions"),
    "get image size": ("dataset", "sizes"),
    "Sampling": ("sampling", ""),
}
_COUNTED: frozenset[str] = frozenset({"dataset", "caching", "sampling", "model", "libraries"})
_PARTS_OF_A_BAR = 20
"""How often at most one bar gives an event."""


class KohyaReader:
    """A fold over both of sd-scripts' streams."""

    def __init__(self, done_before: int | None = None) -> None:
        """``done_before``: steps of earlier attempts, where the run's ledger knows."""
        self._parts = Parts()
        self._failures = Failures()
        self._done_before = done_before
        self._phase = Phase("starting")
        self._part_of_bar = -1
        self._epoch_from_output = False
        self._fired: set[Callable[..., object] | re.Pattern[str]] = set()
        self._begin()

    def _begin(self) -> None:
        """A new attempt."""
        self._plan = Plan(self._done_before)
        self._bar = StepBar()
        self._bar_begun = False
        self._epoch: int | None = None
        self._file = ""
        self._file_waits = False
        self._state = ""
        self._ended = False

    @property
    def _step(self) -> int:
        return self._plan.first_step + self._bar.number

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events completed by these bytes."""
        for part in self._parts.feed(data):
            if isinstance(part, Bar):
                if self._ended:
                    continue  # bars draw themselves once more when they are closed
                yield from self._failures.close()
                yield from self._file_is_whole()
                yield from self._read_bar(part)
            else:
                yield from self._read_text(part)

    def _read_bar(self, bar: Bar) -> Iterator[Event]:
        if bar.label == "steps":
            yield from self._read_steps(bar)
        elif bar.label in _VALIDATION:
            yield from self._count("validating", "", bar)
        elif bar.label in _LABELS:
            name, detail = _LABELS[bar.label]
            yield from self._count(name, detail, bar)
        elif bar.of_bytes and not self._bar_begun:
            name = self._phase.name if self._phase.name in _COUNTED else "libraries"
            yield from self._count(name, f"downloading {bar.label}".rstrip(), bar)
        elif self._phase.name in _COUNTED:
            yield from self._count(self._phase.name, bar.label or self._phase.detail, bar)

    def _read_steps(self, bar: Bar) -> Iterator[Event]:
        if not self._bar_begun:
            self._bar_begun = True
            yield from self._plan.begin(bar.total)
        yield from self._enter("training")
        yield from self._bar.draw(bar, self._plan.first_step, self._epoch)

    def _count(self, name: PhaseName, detail: str, bar: Bar) -> Iterator[Event]:
        """Progress within a phase, so often that it can be watched and no oftener."""
        part = bar.done * _PARTS_OF_A_BAR // bar.total if bar.total else 0
        same = (self._phase.name, self._phase.detail, self._phase.total) == (name, detail, bar.total)
        if not same or part != self._part_of_bar:
            self._part_of_bar = part
            self._phase = Phase(name, detail, bar.done, bar.total)
            yield self._phase

    def _enter(self, name: PhaseName, detail: str = "") -> Iterator[Event]:
        if (self._phase.name, self._phase.detail) != (name, detail) or self._phase.done is not None:
            self._phase = Phase(name, detail)
            yield self._phase

    def _read_text(self, part: Text) -> Iterator[Event]:
        if part.begins:
            self._fired.clear()
        yield from self._failures.read(part)
        if self._failures.began:
            self._file_waits = False  # a file that could not be saved
            yield from self._bar.flush(self._plan.first_step, self._epoch)
            return
        if part.begins and not _SAVED.match(part.text):
            yield from self._file_is_whole()
        if self._bar_begun and _NEW_ATTEMPT.match(part.text):
            self._begin()
        yield from self._plan.read(part.text)
        for pattern, name, detail in _PHASES:
            if self._matches(pattern, part.text):
                yield from self._enter(name, detail)
        if part.text.lstrip().startswith("total optimization steps") and not self._bar_begun:
            yield from self._enter(_HASHING.name)
        yield from self._read_epoch(part.text)
        yield from self._read_files(part.text)
        if self._matches(_NO_DATA, part.text):
            yield Message("error", "sd-scripts found no pictures and ended without training.", "no_data")

    def _matches(self, pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
        """A message that grows row by row counts once."""
        found = None if pattern in self._fired else pattern.match(text)
        if found:
            self._fired.add(pattern)
        return found

    def _read_epoch(self, text: str) -> Iterator[Event]:
        if found := _EPOCH.match(text):
            self._epoch, self._epoch_from_output = int(found[1]), True
            yield Epoch(self._epoch, int(found[2]))
        elif not self._epoch_from_output and (found := self._matches(_NEXT_EPOCH, text)):
            self._epoch = int(found[1])

    def _read_files(self, text: str) -> Iterator[Event]:
        if found := _SAVING.match(text):
            self._file, self._file_waits = found[1].strip(), True
            if self._ended:  # standard output was kept back until the end
                self._file_waits = False
                yield Checkpoint(self._file, self._step_of(self._file), None, final=not _numbered(self._file))
                return
            yield from self._enter("saving", "checkpoint")
        elif found := self._matches(_STATE_PATH, text):
            self._state = found[1]
        elif self._state and self._matches(_STATE_DONE, text):
            state, self._state = self._state, ""
            yield StateSaved(state, self._step, self._epoch)
        elif self._matches(_SAVED, text):
            yield from self._bar.flush(self._plan.first_step, self._epoch)
            self._ended, self._file_waits = True, False
            yield Checkpoint(self._file, self._step, self._epoch, final=True)
            yield Ended("finished", self._step, self._file)

    def _file_is_whole(self) -> Iterator[Event]:
        """sd-scripts says that it saves, and goes on when it has."""
        if self._file_waits:
            self._file_waits = False
            yield Checkpoint(self._file, self._step_of(self._file), self._epoch)

    def _step_of(self, path: str) -> int:
        """The step in a file's name, counted over all attempts; a quick bar may not have drawn it yet."""
        if found := _STEP_FILE.search(path):
            return int(found[1]) - self._plan.counter + self._plan.first_step
        per_epoch = self._plan.steps_per_epoch
        if per_epoch and (found := _EPOCH_FILE.search(path)):
            return int(found[1]) * per_epoch
        return self._step


def _numbered(path: str) -> bool:
    """Whether a file is named by its epoch or step, as all but the last are."""
    return bool(_STEP_FILE.search(path) or _EPOCH_FILE.search(path))
