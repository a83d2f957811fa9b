"""The LoRA files of a run, and what is found in one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.problems import UserError
from loratui.runs.view import RunView

if TYPE_CHECKING:
    from loratui.lora.checking.check import Report
    from loratui.lora.info import LoraInfo


@dataclass(frozen=True, slots=True)
class Saved:
    """One LoRA file that a run wrote."""

    path: Path
    step: int
    final: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """What is in a file. Either both or, with ``error``, not both."""

    info: LoraInfo | None = None
    report: Report | None = None
    error: str = ""


def saved_files(view: RunView, folder: Path) -> tuple[Saved, ...]:
    """The final file, then the checkpoints, newest first; each file once."""
    final = folder / view.final_file if view.final_file else None
    found: dict[Path, Saved] = {}
    for item in view.checkpoints:  # a resumed run may write a file again: the last time counts
        path = folder / item.path
        found[path] = Saved(path, item.step, path == final)
    if final is not None and final not in found:
        found[final] = Saved(final, view.step, True)
    return tuple(sorted(found.values(), key=lambda saved: (not saved.final, -saved.step)))


def look(path: Path) -> Looked:
    """Read a file and judge it; takes about a second for 100 MB. Imports numpy where there is one."""
    from loratui.lora.checking.check import verify
    from loratui.lora.info import read_info

    if not path.is_file():
        return Looked(error="It is not there any more.")
    report = None
    try:
        report = verify(path)
        return Looked(read_info(path), report)
    except UserError as error:
        problem = error.problems[0] if error.problems else None
        return Looked(None, report, f"{problem.message} {problem.fix}" if problem else str(error))
    except OSError as error:
        return Looked(None, report, f"It cannot be read: {error.strerror or error}.")
    except MemoryError:
        return Looked(None, report, "There is not enough memory to read it.")
