"""Deleting a run: what would go, what stays, and the doing of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from loratui import places
from loratui.events import ENDED
from loratui.problems import Problem, UserError
from loratui.runs import store
from loratui.runs.follow import RunFollower
from loratui.runs.layout import Run
from loratui.runs.queueing import queue_file


@dataclass(frozen=True, slots=True)
class Kind:
    """Files of one kind in a run's folder."""

    name: str
    count: int
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class Content:
    """What a run's folder holds."""

    kinds: tuple[Kind, ...]
    """The largest first; none without a file."""
    final: tuple[Path, ...]
    """The finished LoRA in the folder, or where there is none its newest checkpoint: what may be kept."""
    outside: tuple[Path, ...]
    """LoRA files of the run that lie elsewhere: they stay in any case."""
    needed_by: tuple[str, ...]
    """Waiting runs whose recipe names this folder."""

    @property
    def count(self) -> int:
        return sum(kind.count for kind in self.kinds)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(kind.size for kind in self.kinds)


def kept_folder() -> Path:
    """Where final files go that outlive their run."""
    return places.home() / "loras"


def content(run: Run) -> Content:
    """Look through a run's folder. Links are not followed."""
    found: dict[str, list[int]] = {}
    for path in run.folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found.setdefault(_kind(path.relative_to(run.folder)), []).append(path.stat().st_size)
    kinds = sorted(
        (Kind(name, len(sizes), sum(sizes)) for name, sizes in found.items()), key=lambda one: -one.size
    )
    view = RunFollower(run).poll()
    named = [item.path for item in view.checkpoints if item.path != view.final_file]
    if view.final_file:
        named.append(view.final_file)
    files = [run.folder / path for path in named]
    here = [path for path in files if path.is_file() and path.is_relative_to(run.folder)]
    outside = [path for path in files if path.is_file() and not path.is_relative_to(run.folder)]
    final = [] if view.final_file and here[-1:] != files[-1:] else here[-1:]
    return Content(tuple(kinds), tuple(final), tuple(dict.fromkeys(outside)), _needed_by(run))


def _kind(path: Path) -> str:
    if any(part.endswith("-state") for part in path.parts):
        return "states to resume from"
    if path.suffix == ".safetensors":
        return "LoRA files"
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".webp"):
        return "pictures"
    return "log, recipe and notes"


def _needed_by(run: Run) -> tuple[str, ...]:
    needing = []
    for run_id in queue_file.read().order:
        other = queue_file.run_of(run_id)
        try:
            told = other.recipe.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        if other.id != run.id and f"{run.folder}/" in told:
            needing.append(other.id)
    return tuple(needing)


def refusal(run: Run) -> Problem | None:
    """Why a run cannot be deleted now; None where it can."""
    state = store.state(run)[0]
    if state == "queued":
        return Problem("", f"{run.id} waits in the queue.", f"Take it out: loratui queue remove {run.id}")
    if state not in ENDED or store.is_kept(run):
        return Problem("", f"{run.id} is {state}.", f"Stop it first: loratui stop {run.id}")
    return None


def delete(run: Run, keep: tuple[Path, ...] = ()) -> list[Path]:
    """Delete a run's folder. ``keep`` are files of it that are moved to ``kept_folder`` before, under a name
    nothing else has. Returns where they are now. Raises ``UserError``; until every file to keep is safe,
    nothing is deleted."""
    problem = refusal(run)
    if problem is not None:
        raise UserError("", problem)
    try:
        kept = [_move(path) for path in keep]
        gone = run.folder.with_name(f".deleted-{run.id}")
        run.folder.rename(gone)  # at once out of every list, whatever comes between
        shutil.rmtree(gone)
    except OSError as error:
        raise UserError(
            str(error.filename or run.folder), Problem("", f"it cannot be deleted: {error.strerror}.")
        ) from None
    return kept


def _move(path: Path) -> Path:
    folder = kept_folder()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    target, number = folder / path.name, 2
    while target.exists():
        target, number = folder / f"{path.stem}-{number}{path.suffix}", number + 1
    path.rename(target)
    return target
