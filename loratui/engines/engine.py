"""The contract of an engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from loratui.events import Event
from loratui.problems import Problem
from loratui.recipe import EngineName, Recipe


@dataclass(frozen=True, slots=True)
class Command:
    """A process to start."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """Added to the supervisor's own environment. Written to disk: never a secret."""
    cwd: Path = field(default_factory=Path)


@dataclass(frozen=True, slots=True)
class Launch:
    """All that starts one attempt of a run: a command, and the files it reads, by name in the run folder."""

    command: Command
    files: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """Whether an engine can run here."""

    ready: bool
    detail: str
    """What is installed, or what is missing, in one line."""
    fix: str = ""
    """The command that installs what is missing."""


class LogReader(Protocol):
    """A pure fold over what a trainer prints: no clock, no files.

    The same bytes cut at any place give the same events.
    """

    def feed(self, data: bytes) -> Iterator[Event]:
        """The events completed by these bytes."""
        ...


class Watcher(Protocol):
    """Looks at the files a trainer leaves and does not speak of."""

    def note(self, event: Event) -> None:
        """Take in what the log has told."""
        ...

    def poll(self) -> Iterator[Event]:
        """What has come since."""
        ...


class Engine(Protocol):
    """What every engine offers."""

    name: EngineName
    saves_on_stop: bool
    """Whether a stop saves the LoRA and a state first."""

    def status(self) -> EngineStatus:
        """Whether this engine can run on this machine."""
        ...

    def supports(self, recipe: Recipe) -> list[Problem]:
        """Why this recipe cannot run: looked up in files' headers and names only, before anything starts."""
        ...

    def prepare(
        self, recipe: Recipe, run_folder: Path, resume: Path | None = None, steps_done: int = 0
    ) -> Launch:
        """The config.toml and the command for a run in ``run_folder``. Writes nothing.

        ``resume`` is a state folder to go on from, saved after ``steps_done`` steps of this run. Raises
        ``UserError`` when there is no going on from there.
        """
        ...
