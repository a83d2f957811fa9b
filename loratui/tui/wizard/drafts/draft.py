"""The unfinished recipe, kept on disk so that a lost connection costs nothing.

Beside the recipe itself lies where a person was, and what he had decided.
"""

from __future__ import annotations

import contextlib
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from loratui import places
from loratui.recipe import Recipe, dumps, loads
from loratui.runs.files import PRIVATE_FOLDER, replace_file
from loratui.runs.layout import EDITED
from loratui.tui.wizard.answers.decided import Decided
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.drafts import set_aside

if TYPE_CHECKING:
    from loratui.runs.layout import Run


class Place(msgspec.Struct, frozen=True):
    """Where a person was in the wizard."""

    step: int = 1
    reached: int = 1
    effort: Literal["quick", "balanced", "thorough"] = "balanced"
    preset: str = ""
    whole: bool = False
    keys: tuple[str, ...] = ()
    """See ``Decided``."""
    parent: str = ""
    parent_recipe: str = ""
    """TOML."""


def path(waiting: Path | None = None) -> Path:
    """Where the draft lies: a recipe that can be trained as it is. ``waiting`` is the folder of a run in the
    queue that is changed: the draft of that lies with it, and goes with it."""
    return waiting / EDITED if waiting else places.home() / "draft.toml"


def _place_path(waiting: Path | None) -> Path:
    return path(waiting).with_suffix(".json")


def save(state: WizardState, step: int, reached: int, waiting: Path | None = None) -> bool:
    """Keep a recipe, finished or not; False when the disk does not let us, which is no reason to stop. Of a
    waiting run nothing is kept where nothing was changed."""
    if waiting is not None and not (waiting.is_dir() and state.differences()):
        discard(waiting)
        return True
    try:
        path(waiting).parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        replace_file(path(waiting), as_bytes(state))
        replace_file(_place_path(waiting), _place_bytes(state, step, reached))
    except OSError:
        return False
    return True


def save_aside(state: WizardState, step: int, reached: int) -> None:
    """Keep it where it comes back once the draft that counts is started or given up. Raises ``OSError``."""
    set_aside.write(as_bytes(state), _place_bytes(state, step, reached))


def save_as_new(state: WizardState, step: int, reached: int) -> None:
    """Keep the changes to a waiting run, whose place is taken, as a run of their own: the draft, or behind
    the one there is. Raises ``OSError``."""
    if path().exists() or not save(state, step, reached):
        save_aside(state, step, reached)


def _place_bytes(state: WizardState, step: int, reached: int) -> bytes:
    name, parent = state.parent or ("", None)
    place = Place(
        step,
        reached,
        state.effort,
        state.preset,
        state.decided.whole,
        tuple(sorted(state.decided.keys)),
        name,
        dumps(parent) if parent else "",
    )
    return msgspec.json.encode(place)


def as_bytes(state: WizardState) -> bytes:
    """A recipe as the draft has it."""
    return dumps(state.recipe).encode()


def as_it_lies(waiting: Run | None = None) -> bytes | None:
    """The recipe on the disk that a person would open: the draft, or a run that waits. None for none."""
    for each in (path(waiting.folder), waiting.recipe) if waiting else (path(),):
        with contextlib.suppress(OSError):
            return each.read_bytes()
    return None


def load(waiting: Path | None = None) -> tuple[WizardState, Place] | None:
    """The draft as it was left; None when there is none, or none that can be read."""
    try:
        document = tomllib.loads(path(waiting).read_text(encoding="utf-8"))
        recipe = msgspec.convert(document, Recipe)
    except (OSError, ValueError):
        return None
    try:
        place = msgspec.json.decode(_place_path(waiting).read_bytes(), type=Place)
        parent = (place.parent, loads(place.parent_recipe)) if place.parent else None
    except Exception:  # what it says is a convenience: without it the recipe is still there
        return WizardState(recipe), Place()
    decided = Decided(place.keys, whole=place.whole)
    state = WizardState(recipe, decided=decided, effort=place.effort, preset=place.preset, parent=parent)
    return state, place


def unsaved(state: WizardState, now: tuple[str, Recipe] | None) -> str:
    """What is said of the draft of a waiting run: ``now`` is the run as it waits."""
    words = "You changed this run and did not save it: Enter saves it now, ctrl+n takes your changes back."
    if now is not None and state.parent is not None and state.parent[1] != now[1]:
        words += " Meanwhile it was changed elsewhere too: look at the differences."
    return words


def discard(waiting: Path | None = None) -> None:
    """Its run has been started or saved, or it is no longer wanted. What it had been opened over is the
    draft again."""
    for each in (path(waiting), _place_path(waiting)):
        with contextlib.suppress(OSError):
            each.unlink(missing_ok=True)
    if waiting is None:
        with contextlib.suppress(OSError):
            set_aside.bring_back(path(), _place_path(None))


def lay_aside() -> bool:
    """Another recipe takes its place for a while. False where there is none. Raises ``OSError``."""
    return set_aside.put(path(), _place_path(None))
