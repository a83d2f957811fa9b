"""The pip command that mends a missing package, for the Python that really runs the trainer."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from loratui import kohya_checkout
from loratui.recipe import EngineName
from loratui.runs.hints.matcher import HintRule

_MODULE = re.compile(r"No module named '?([A-Za-z_]\w*)")
_DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "PIL": "pillow",
    "yaml": "pyyaml",
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "google": "protobuf",
    "library": "",  # sd-scripts' own folder: started from another place
    "networks": "",
    "torch": "",  # which build fits is a question of the driver
    "torchvision": "",
    "loratui": "",
}
"""Packages of another name than their module; empty for those that a bare pip install would not mend."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One pip command."""

    argv: tuple[str, ...]
    folder: Path | None = None
    """Where to run it; None for anywhere."""

    def __str__(self) -> str:
        command = shlex.join(self.argv)
        return f"cd {shlex.quote(str(self.folder))} && {command}" if self.folder else command


def installation(row: HintRule, line: str, engine: EngineName) -> Installation | None:
    """What would install what a hint misses; None where no package is the trouble, or where the trainer's
    Python is not known. ``line`` is the log line the hint was recognised by."""
    python = trainer_python(engine)
    if python is None:
        return None
    if row.key == "mod_generic":
        return _generic(line, engine, python)
    return Installation(_pip(python, row.install)) if row.install else None


def trainer_python(engine: EngineName) -> Path | None:
    """The Python that runs this engine's trainer."""
    if engine == "builtin":
        return Path(sys.executable)
    return kohya_checkout.find().python


def _generic(line: str, engine: EngineName, python: Path) -> Installation | None:
    found = _MODULE.search(line)
    if found is None:
        return None
    package = _DISTRIBUTIONS.get(found[1], found[1].replace("_", "-"))
    if not package:
        return None
    if engine == "kohya":
        folder = kohya_checkout.find().folder
        if (folder / "requirements.txt").is_file():
            return Installation(_pip(python, ("-r", "requirements.txt")), folder)
    return Installation(_pip(python, (package,)))


def _pip(python: Path, arguments: tuple[str, ...]) -> tuple[str, ...]:
    """pip of that Python; uv where the environment was made without one."""
    has_pip = any(python.parent.parent.glob("lib/python3*/site-packages/pip/__main__.py"))
    uv = shutil.which("uv")
    if not has_pip and uv and (python.parent.parent / "pyvenv.cfg").is_file():
        return (uv, "pip", "install", "--python", str(python), *arguments)
    return (str(python), "-m", "pip", "install", *arguments)
