"""Where sd-scripts lies, which Python runs it, and which commit it is: looked up in names and small files.

Standard library only, and any Python from 3.8 on: the doctor uses it before anything is installed.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui import places

ORIGIN = "https://github.com/kohya-ss/sd-scripts.git"
TESTED_COMMIT = "48d368fa557731ad0488c07304dfeba8c07910eb"
"""The commit this version of loratui was tested with: 16 February 2026, just after v0.10.1."""

FOLDER_VARIABLE = "LORATUI_KOHYA"
PYTHON_VARIABLE = "LORATUI_KOHYA_PYTHON"
MAIN_SCRIPT = "train_network.py"

_PYTHONS = (
    "venv/bin/python",
    ".venv/bin/python",
    "venv/Scripts/python.exe",
    ".venv/Scripts/python.exe",
    "../venv/bin/python",  # bmaltais/kohya_ss keeps sd-scripts as a folder beside its own venv
    "../.venv/bin/python",
)


@dataclass(frozen=True)
class Checkout:
    """A folder that is, or should become, a checkout of sd-scripts."""

    folder: Path
    python: Path | None
    """The Python of its virtual environment; None when there is none."""
    source: str
    """Who named the folder: ``variable``, ``adopted`` or ``own``."""

    @property
    def exists(self) -> bool:
        """Whether sd-scripts is there."""
        return (self.folder / MAIN_SCRIPT).is_file()

    @property
    def commit(self) -> str | None:
        """The full number of the commit, or None where git knows nothing of it."""
        return head_commit(self.folder)


def find() -> Checkout:
    """The checkout the kohya engine uses: ``LORATUI_KOHYA``, else one adopted by ``loratui setup kohya
    --adopt``, else loratui's own, made by ``loratui setup kohya``."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return at(places.expanded(chosen).absolute(), "variable")
    record = read_record()
    if record.get("adopted"):
        return at(Path(record["adopted"]), "adopted", record.get("python"))
    return at(own_folder(), "own")


def at(folder: Path, source: str, python: str | None = None) -> Checkout:
    """The checkout in ``folder``. ``python`` is the one it was adopted with;
    ``LORATUI_KOHYA_PYTHON`` goes before it."""
    named = os.environ.get(PYTHON_VARIABLE) or python
    found = places.expanded(named).absolute() if named else find_python(folder)
    return Checkout(folder, found if found and os.access(str(found), os.X_OK) else None, source)


def find_python(folder: Path) -> Path | None:
    """The Python of the virtual environment in or beside a checkout, in Linux's or Windows' layout."""
    found = (folder / name for name in _PYTHONS)
    return next((Path(os.path.normpath(str(path))) for path in found if path.exists()), None)


def own_folder() -> Path:
    """Where loratui's own checkout lies."""
    return places.home() / "sd-scripts"


def record_path() -> Path:
    """The file that remembers what ``loratui setup kohya`` did."""
    return places.home() / "kohya.json"


def read_record() -> dict[str, Any]:
    """What ``loratui setup kohya`` remembers; empty when there is nothing, or nothing readable."""
    try:
        record = json.loads(record_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def head_commit(folder: Path) -> str | None:
    """The commit a git working tree stands at, read from git's own files (gitrepository-layout(5))."""
    git = folder / ".git"
    try:
        if git.is_file():  # a submodule, or a further working tree
            git = folder / git.read_text(encoding="utf-8").strip()[len("gitdir: ") :]
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head or None
        name = head[len("ref: ") :]
        common = git / "commondir"
        if common.is_file():
            git = git / common.read_text(encoding="utf-8").strip()
        loose = git / name
        if loose.is_file():
            return loose.read_text(encoding="utf-8").strip()
        for line in (git / "packed-refs").read_text(encoding="utf-8").splitlines():
            if line.endswith(f" {name}"):
                return line.partition(" ")[0]
    except (OSError, ValueError):
        pass
    return None


def trouble_path() -> Path:
    """The file with what the doctor last found wrong with a checkout's environment."""
    return places.home() / "kohya-trouble.json"


def known_trouble(checkout: Checkout) -> tuple[str, str] | None:
    """What the doctor, or setup's own check, last found wrong with this checkout, and the fix; None when it
    was well, or was never looked at."""
    try:
        found = json.loads(trouble_path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or found.get("python") != str(checkout.python):
        return None
    return str(found.get("detail", "")), str(found.get("fix", ""))


def remember_trouble(checkout: Checkout, detail: str, fix: str) -> None:
    """Keep what is wrong for ``known_trouble``; an empty ``detail`` forgets it. A disk that refuses is no
    reason to stop looking."""
    path = trouble_path()
    try:
        if not detail:
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        about = {"python": str(checkout.python), "detail": detail, "fix": fix}
        path.write_text(json.dumps(about), encoding="utf-8")
    except OSError:
        pass
