"""launch.json: the command of a run's latest attempt. All that a supervisor must know of how runs begin."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from loratui.engines.engine import Command
from loratui.problems import Problem, UserError
from loratui.runs.files import replace_file
from loratui.runs.layout import Run


class LaunchFile(msgspec.Struct, frozen=True):
    """launch.json: the command of the latest attempt."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    """Added to the supervisor's environment."""
    cwd: str


def write_command(run: Run, command: Command) -> None:
    """Raises ``OSError``."""
    about = LaunchFile(command.argv, command.env, str(run.folder / command.cwd))
    replace_file(run.launch, msgspec.json.format(msgspec.json.encode(about)))


def read_command(run: Run) -> Command:
    """The command of the latest attempt. Raises ``UserError``."""
    try:
        about = msgspec.json.decode(run.launch.read_bytes(), type=LaunchFile)
    except (OSError, ValueError) as error:
        raise UserError(str(run.launch), Problem("", f"it cannot be read: {error}.")) from None
    return Command(about.argv, about.env, Path(about.cwd))
