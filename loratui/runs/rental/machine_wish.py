"""Whether this machine is to be stopped once a run is over, as a person has wished it: for the run itself, in
its recipe, or for all runs in notify.toml. Off unless somebody says so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec

from loratui import recipe as recipes
from loratui.problems import Problem, UserError
from loratui.runs.files import replace_file
from loratui.runs.layout import Run

When = Literal["never", "finished", "ended"]
"""``finished``: after a run that is whole; ``ended``: after one that has failed, stopped or was lost, too."""


class MachineSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[machine]`` of notify.toml."""

    stop: When = "never"
    minutes: Annotated[float, msgspec.Meta(gt=0, le=1440)] = 10.0
    """How long a key may still be pressed."""
    upload: str = ""
    """OWNER/NAME on the Hugging Face hub: the LoRA is sent there first, private, beside the others."""
    without_upload: bool = False
    """Stop also where the LoRA was not sent anywhere, as long as its disk outlives the stop."""


def wish_file(run: Run) -> Path:
    """Where the wish for one run lies."""
    return run.folder / "stop-machine"


def wished(run: Run, general: MachineSettings) -> When:
    """What is wished for a run: the word for it alone, else its recipe's, else the general one."""
    try:
        said: When = msgspec.convert(wish_file(run).read_text(encoding="utf-8").strip(), When)
        return said
    except (OSError, ValueError):
        pass
    try:
        decided = recipes.loads(run.recipe.read_text(encoding="utf-8")).launch.stop_machine
    except (OSError, ValueError, UserError):
        decided = None
    return decided or general.stop


def wish(run: Run, when: When) -> None:
    """Wish it for one run. Raises ``UserError`` when it cannot be noted."""
    try:
        replace_file(wish_file(run), when.encode() + b"\n")
    except OSError as error:
        raise UserError(
            str(run.folder), Problem("", f"it cannot be noted there: {error.strerror}.", "Free some space.")
        ) from None


def applies(when: When, state: str) -> bool:
    """Whether a run in this final state is one to stop the machine after."""
    return when == "ended" or (when == "finished" and state == "finished")
