"""What a base model is, and which there are on this disk. Slow enough to be looked up beside the screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loratui import places
from loratui.problems import Problem, UserError
from loratui.tui.wizard.trouble import as_problem, reason

if TYPE_CHECKING:
    from loratui.models.catalog import Entry
    from loratui.models.inspect import ModelFile


def read_model(model: str) -> ModelFile | Problem:
    """What a model is, or why it is none to train on."""
    from loratui.models import catalog
    from loratui.models.inspect import require_base
    from loratui.models.named import entry_of

    entry = entry_of(model)
    if entry is not None and not catalog.path_of(entry).is_file():
        return _of_entry(entry)
    try:
        return require_base(catalog.path_of(entry) if entry else Path(model).expanduser())
    except UserError as error:
        return as_problem("base.model", error)
    except (OSError, ValueError) as error:
        return Problem("base.model", f"{model}: it cannot be read: {reason(error)}.", "Check the path.")


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
