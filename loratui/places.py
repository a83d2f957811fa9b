"""Where loratui keeps what it makes, and where the files shipped with it lie."""

from __future__ import annotations

import os
from pathlib import Path

_WORKSPACE = Path("/workspace")


def expanded(path: str | Path) -> Path:
    """A path with ``~`` for a home folder, as it stands where there is no such user: ``Path.expanduser``
    raises ``RuntimeError`` then, also for a name that is only half typed."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def home() -> Path:
    """The folder that holds runs, models and the demo.

    ``LORATUI_HOME`` wins; else ``/workspace/loratui`` where ``/workspace`` is writable (the volume
    that survives a pod's restart at most GPU rentals); else the user's data folder by the XDG rules.
    The folder is not created here.
    """
    chosen = os.environ.get("LORATUI_HOME")
    if chosen:
        return expanded(chosen).absolute()
    if os.access(_WORKSPACE, os.W_OK | os.X_OK) and _WORKSPACE.is_dir():
        return _WORKSPACE / "loratui"
    data = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return expanded(data).absolute() / "loratui"


def runs_folder() -> Path:
    """The folder that holds one folder for each run."""
    return home() / "runs"


def datasets_folder() -> Path:
    """The folder that holds layouts made of links for plain folders of pictures."""
    return home() / "datasets"


def models_folder() -> Path:
    """The folder that holds downloaded base models."""
    return home() / "models"


def presets_folder() -> Path:
    """The shipped presets: inside the package once installed, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "presets"
    return installed if installed.is_dir() else package.parent / "presets"
