"""Where the steps of a folder lie, and which of them counts."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from loratui import places
from loratui.dataset.arrange import mark
from loratui.places import expanded
from loratui.problems import refusal

MARKER = ".loratui-history.json"
POINTER = "current"
SUFFIX = ".steps"


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A person's folder, and the folder of its steps."""

    source: Path
    """May be gone."""
    steps: Path
    """May not be there yet."""
    pinned: Path | None = None
    """The step itself, when a step was named rather than the person's folder."""


def locate(path: Path) -> Whereabouts:
    """Whose history a path means: a person's folder, a folder of steps, or one step. Makes nothing.

    Beside the person's folder; below ``LORATUI_HOME`` where that cannot be: no right to write there, another
    device, or something else of that name.
    """
    real = Path(os.path.realpath(expanded(path)))
    if (real / MARKER).is_file():
        return Whereabouts(_source_of(real), real)
    if (real.parent / MARKER).is_file():
        return Whereabouts(_source_of(real.parent), real.parent, real)
    beside, far = _beside(real), _far(real)
    for steps in (beside, far):
        if (steps / MARKER).is_file() and _source_of(steps) == real:
            return Whereabouts(real, steps)
    return Whereabouts(real, beside if _may_be(beside, real) else far)


def current(path: Path) -> Path:
    """The folder that counts for what a person named: the current step of its history, else itself. A step
    named as such is taken as it is.

    Raises ``UserError`` when the current step was deleted, or belongs to a folder that lay there before.
    """
    where = locate(path)
    if where.pinned is not None or not (where.steps / MARKER).is_file():
        return path
    step = pointed(where.steps)
    if step is None:
        return where.source if path.name == where.steps.name else path
    if not step.is_dir():
        raise gone(where.source, step)
    if where.source.is_dir():
        from loratui.dataset.history.changes import require_same

        require_same(where, step)
    return step


def pointed(steps: Path) -> Path | None:
    """The step the pointer names, there or not; None when the person's folder counts."""
    try:
        return steps / (steps / POINTER).readlink().name
    except OSError:
        return None


def gone(source: Path, step: Path) -> Exception:
    """The step that counts was deleted."""
    return refusal(
        source,
        f"the step of its history that counts, {step.name}, was deleted.",
        f"loratui dataset undo {source} goes back to the one before.",
    )


def write_marker(folder: Path, where: Whereabouts) -> None:
    """Say whose steps a folder holds. Beside the person's folder by its name alone, so that both can move."""
    source = where.source
    name = source.name if folder.parent == source.parent else str(source)
    text = json.dumps({"format": 1, "source": name}) + "\n"
    (folder / MARKER).write_text(text, encoding="utf-8")


def _source_of(steps: Path) -> Path:
    try:
        source = json.loads((steps / MARKER).read_bytes())["source"]
    except (OSError, ValueError, KeyError, TypeError):
        source = steps.name.removesuffix(SUFFIX)
    return steps.parent / str(source)


def _beside(source: Path) -> Path:
    return source.with_name(source.name + SUFFIX) if source.name else source / SUFFIX


def _far(source: Path) -> Path:
    return places.datasets_folder() / (mark(source) + SUFFIX)


def _may_be(steps: Path, source: Path) -> bool:
    if not source.name or os.path.lexists(steps) or len(os.fsencode(steps.name)) > 255:
        return False
    try:
        same_device = source.stat().st_dev == steps.parent.stat().st_dev
    except OSError:
        return False
    return same_device and os.access(steps.parent, os.W_OK | os.X_OK)
