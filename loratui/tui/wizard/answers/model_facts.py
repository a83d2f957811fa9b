"""What a base model is, and which there are on this disk. Slow enough to be looked up beside the screen."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from loratui import places
from loratui.places import expanded
from loratui.problems import Problem, UserError, nearest
from loratui.tui.wizard.answers.trouble import as_problem, reason, too_long

if TYPE_CHECKING:
    from loratui.models.catalog import Entry
    from loratui.models.inspect import ModelFile


_PAUSE = 0.6
"""Seconds that a name stays as it is before anybody asks the hub for it."""


def read_model(model: str, is_meant: Callable[[], bool] = lambda: True) -> ModelFile | Problem:
    """What a model is, or why it is none to train on. A name on the hub is asked for once it has been left
    alone for a moment and ``is_meant`` still."""
    from loratui.formats.hub_id import is_hub_id
    from loratui.models import catalog
    from loratui.models.inspect import require_base
    from loratui.models.named import entry_of

    if problem := too_long("base.model", model):
        return problem
    entry = entry_of(model)
    if entry is not None and not catalog.path_of(entry).is_file():
        return _of_entry(entry)
    try:
        if entry is None and is_hub_id(model):
            return _on_hub(model, is_meant)
        if entry is None and (problem := misnamed(model)):
            return problem
        return require_base(catalog.path_of(entry) if entry else expanded(model))
    except UserError as error:
        return as_problem("base.model", error)
    except (OSError, ValueError) as error:
        return Problem("base.model", f"{model}: it cannot be read: {reason(error)}.", "Check the path.")


def _on_hub(name: str, is_meant: Callable[[], bool]) -> ModelFile | Problem:
    from loratui.formats.hub_id import cached_model
    from loratui.models import hub

    if cached_model(name) is None:
        time.sleep(_PAUSE)
    return hub.look(name) if is_meant() else Problem("base.model", f"{name} is no longer meant.")


def misnamed(model: str) -> Problem | None:
    """What to do with something that is neither a path nor a name on the hub."""
    from loratui.models import catalog

    if model.startswith(("http://", "https://")):
        return Problem("base.model", "this is an address; a file is wanted.", _fetching(model))
    if "/" not in model and "." not in model and not Path(model).exists():
        fix = nearest(model.lower(), catalog.catalogue()) or "Choose one from the list, or name a file."
        return Problem("base.model", f"there is no model {model!r}, neither here nor in the list.", fix)
    return None


def _fetching(address: str) -> str:
    """The command that fetches what lies at an address, as far as one does."""
    if found := re.search(r"civitai\.com/.*modelVersionId=(\d+)", address):
        words = f"civitai:{found[1]}"
    elif "huggingface.co/" in address and re.search("/(blob|resolve)/", address):
        words = address.partition("?")[0].replace("/blob/", "/resolve/")
    else:
        return "Download it, and name the file; on huggingface.co, org/name is enough."
    return f"In a shell: loratui download {shlex.quote(words)}"


def _of_entry(entry: Entry) -> ModelFile:
    """A model that is not on this disk yet, as the catalogue knows it."""
    from loratui.families import FAMILIES
    from loratui.models import catalog
    from loratui.models.inspect import ModelFile

    return ModelFile(
        catalog.path_of(entry),
        "base",
        entry.family,
        entry.prediction,
        entry.zero_terminal_snr,
        entry.family in FAMILIES,
        ("the catalogue says so; the file is not here yet",),
    )


def found_models() -> list[Path]:
    """Base models lying about: in loratui's models folder, the working folder, the demo's, and those of the
    programs people draw with."""

    home = places.home()
    seen: dict[Path, None] = {}
    for folder in (home / "models", Path.cwd(), Path.cwd() / "models", *_elsewhere()):
        try:
            entries = sorted(folder.iterdir())[:500]
        except OSError:
            continue
        for entry in entries:
            if entry.suffix == ".safetensors" or (entry / "model_index.json").is_file():
                seen[entry] = None
    if (home / "demo" / "model" / "model_index.json").is_file():
        seen[home / "demo" / "model"] = None
    return list(seen)


def _elsewhere() -> list[Path]:
    """Where other programs keep their base models."""
    roots = (Path("/workspace"), Path.home())
    places_in = ("models", "ComfyUI/models/checkpoints", "stable-diffusion-webui/models/Stable-diffusion")
    return [root / place for root in roots for place in places_in]


def found_base_models(most: int = 20) -> list[ModelFile]:
    """Those of them that are told to be base models by their headers."""
    from loratui.models.inspect import inspect

    models: list[ModelFile] = []
    for path in found_models():
        try:
            found = inspect(path)
        except (UserError, OSError, ValueError):
            continue
        if found.trainable:
            models.append(found)
    return models[:most]
