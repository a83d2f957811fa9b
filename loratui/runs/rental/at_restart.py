"""How ``loratui after-restart`` comes to be called on this machine without anybody: one line, put where the
machine looks when it comes up. Nothing is put anywhere unasked.

vast.ai runs ``/root/onstart.sh`` whenever an instance starts, and keeps its disk. RunPod clears the
container's disk when a pod stops, so that only the pod's start command is left; its images end in
``/start.sh`` (github.com/runpod/containers). Elsewhere cron's ``@reboot`` (crontab(5)), a user's own.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loratui import places, python_path
from loratui.atomic import new_file
from loratui.problems import Problem, UserError
from loratui.runs.rental import rented

MARK = "# loratui after-restart"
"""Ends the line, so that it is found again."""
ONSTART = Path("/root/onstart.sh")
_HANDED_ON = ("LORATUI_HOME", "LORATUI_KOHYA", "LORATUI_KOHYA_PYTHON", "HF_HOME", "PATH")
_CRONS = frozenset({"cron", "crond", "fcron"})

Kind = Literal["onstart", "crontab", "start command", "profile"]


@dataclass(frozen=True, slots=True)
class Way:
    """One way on this machine."""

    kind: Kind
    line: str
    """As it is to stand there."""
    where: str
    """Where, in words."""
    installs: bool = True
    """Whether loratui can put it there itself."""


def command(resume: bool, environment: Mapping[str, str] = os.environ) -> str:
    """What is run, for a shell that knows nothing of this one."""
    known = {**environment, "LORATUI_HOME": str(places.home())}
    handed = [f"{name}={shlex.quote(known[name])}" for name in _HANDED_ON if known.get(name)]
    argv = python_path.own("loratui", "after-restart", *(["--resume"] if resume else []))
    log = shlex.quote(str(places.home() / "restart.log"))
    return f"umask 077; {' '.join(handed)} {shlex.join(argv)} >>{log} 2>&1"


def way(resume: bool) -> Way:
    """The best one here. The home must outlive a restart; ``rented.Rented.keeps`` tells on RunPod."""
    here, line = rented.this(), command(resume)
    if here is not None and here.provider == "RunPod":
        started = shlex.quote(f"({line}) & exec /start.sh")
        where = "the pod's container start command (Edit Pod; its template's image must end in /start.sh)"
        return Way("start command", f"bash -c {started}", where, installs=False)
    if here is not None:
        return Way("onstart", f"({line}) & {MARK}", str(ONSTART))
    if _cron_runs() and shutil.which("crontab"):
        escaped = line.replace("%", r"\%")  # cron takes a bare one for a line break
        return Way("crontab", f"@reboot {escaped} {MARK}", "your crontab")
    where = "~/.profile: nothing here starts programs by itself, so it waits for your next login"
    return Way("profile", f"({line}) & {MARK}", where)


def add(chosen: Way) -> None:
    """Put the line in its place, instead of an older one. Raises ``UserError``."""
    before = _read(chosen.kind)
    _write(chosen.kind, "\n".join([*_without(before), chosen.line, ""]))


def remove() -> list[str]:
    """Take the line out wherever it stands. Returns where it stood. Raises ``UserError``."""
    found = []
    for kind in standing():
        _write(kind, "".join(f"{line}\n" for line in _without(_read(kind))))
        found.append("your crontab" if kind == "crontab" else str(_file(kind)))
    return found


def standing() -> Iterator[Kind]:
    """Where a line of ours stands now."""
    kinds: tuple[Kind, ...] = ("onstart", "crontab", "profile")
    for kind in kinds:
        if any(line.endswith(MARK) for line in _read(kind).splitlines()):
            yield kind


def _without(text: str) -> list[str]:
    return [line for line in text.splitlines() if not line.endswith(MARK)]


def _file(kind: Kind) -> Path:
    return ONSTART if kind == "onstart" else Path.home() / ".profile"


def _read(kind: Kind) -> str:
    if kind == "crontab":
        if shutil.which("crontab") is None:
            return ""
        done = subprocess.run(["crontab", "-l"], capture_output=True, text=True, timeout=20, check=False)
        return done.stdout if done.returncode == 0 else ""  # without one it exits 1
    path = _file(kind)
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        if kind == "onstart" and isinstance(error, PermissionError):
            return ""  # another's
        raise UserError(str(path), Problem("", f"it cannot be read: {error}.")) from None


def _write(kind: Kind, text: str) -> None:
    if kind == "crontab":
        done = subprocess.run(
            ["crontab", "-"], input=text, text=True, capture_output=True, timeout=20, check=False
        )
        if done.returncode:
            raise UserError("crontab", Problem("", f"it was refused: {done.stderr.strip()[:200]}"))
        return
    path = _file(kind)
    mode = path.stat().st_mode & 0o777 if path.exists() else (0o755 if kind == "onstart" else 0o644)
    with new_file(path, "Free some space.") as temporary:
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(mode)


def _cron_runs() -> bool:
    for entry in Path("/proc").glob("[0-9]*/comm"):
        try:
            if entry.read_text(encoding="utf-8").strip() in _CRONS:
                return True
        except OSError:
            continue
    return False
