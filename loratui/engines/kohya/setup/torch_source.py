"""Which torch the environment gets: one that is here and works with this GPU, else the build that fits.

A torch that is here is not copied: links to it, and to what it needs itself, lie in a folder beside the
checkout that the environment looks into. Everything else of that Python stays out of sight, as other versions
of transformers, peft or timm would break sd-scripts; and pip never touches what lies outside the environment.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from loratui import places
from loratui.atomic import new_folder
from loratui.doctor import probing, torch_builds
from loratui.doctor.gpus import Gpus
from loratui.doctor.probing import Libraries
from loratui.engines.kohya.setup.record import WAY_OUT
from loratui.problems import UserError, refusal

OLDEST_TORCH = (2, 4)
OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 13)
"""What sd-scripts' pinned requirements have wheels for."""

_USUAL_PYTHONS = (
    "/venv/main/bin/python",  # vast.ai's templates
    "/opt/conda/bin/python",
    "/usr/local/bin/python3",
    "/usr/bin/python3",
)
_LINKED = ("torch", "torchvision")

_CLOSURE = """
import json, re, sys
from importlib import metadata
normal = lambda name: re.sub(r"[-_.]+", "-", name).lower()
seen, entries, todo = set(), {}, sys.argv[1:]
while todo:
    name = normal(todo.pop())
    if name in seen: continue
    seen.add(name)
    try: dist = metadata.distribution(name)
    except metadata.PackageNotFoundError: continue
    for file in dist.files or ():
        top = file.parts[0]
        if top not in ("..", "__pycache__", "/") and not top.endswith(".pth"):
            entries[top] = str(dist.locate_file(top))
    for line in dist.requires or ():
        if "extra ==" not in line: todo.append(re.match(r"[A-Za-z0-9._-]+", line).group())
print(json.dumps(entries))
"""


@dataclass(frozen=True, slots=True)
class TorchSource:
    """Where torch comes from."""

    python: Path
    """The Python that makes the environment."""
    torch: str
    """Its version, ``2.13.0+cpu``."""
    torchvision: str
    """The same of torchvision; empty when it must be installed."""
    why: str
    reused: Libraries | None = None
    """The Python whose torch is linked; None when it is installed."""
    index: str = ""
    """Where pip finds the build."""

    @property
    def fingerprint(self) -> str:
        """Changes when another torch is meant."""
        return f"{self.torch} {self.reused.torch.folder if self.reused and self.reused.torch else self.index}"


def choose(gpus: Gpus, python: Path | None, reuse: bool | None) -> TorchSource:
    """``python`` is the one asked for; ``reuse`` insists on (True) or rules out (False) a torch that is here.
    Raises ``UserError`` when nothing fits."""
    refused: list[str] = []
    if reuse is not False:
        for candidate in [python] if python else _candidates():
            found = probing.look(candidate, ("torch", "matmul", "torchvision"))
            reason = _unfit(found, gpus)
            if not reason:
                return _reused(found)
            refused.append(f"{candidate}: {reason}")
        if reuse:
            tried = "; ".join(refused) or "no Python here has a torch"
            raise refusal("setup kohya", f"no torch here can be used: {tried}.", "Leave --torch away.")
    build, why = torch_builds.choose(gpus.driver_major, gpus.capabilities)
    if build is None:
        raise refusal("setup kohya", f"{why}.", "Update the NVIDIA driver, or take another machine.")
    return TorchSource(
        python or _some_python(),
        build.torch if build.tag == "cpu" else f"{build.torch}+{build.tag}",
        build.torchvision,
        f"{why}{f' ({refused[0]})' if refused else ''}",
        index=torch_builds.index_url(build.tag),
    )


def _reused(found: Libraries) -> TorchSource:
    assert found.torch is not None
    fits = "torchvision" in found.imported
    where = "the GPU" if found.matmul.startswith("cuda") else "the CPU"
    return TorchSource(
        found.python,
        found.torch.version,
        found.versions.get("torchvision", "") if fits else "",
        f"the one of {found.python} computes right on {where}",
        found,
    )


def _unfit(found: Libraries, gpus: Gpus) -> str:
    """Why this torch is not to be used; empty when it is."""
    version = tuple(int(part) for part in found.version.split(".")[:2] if part.isdigit())
    if found.torch is None:
        return found.errors.get("torch") or found.errors.get("python") or "it has no torch"
    if not OLDEST_PYTHON <= version <= NEWEST_PYTHON:
        return f"sd-scripts does not run on Python {found.version}"
    numbers = found.torch.version.split(".")[:2]
    if not all(part.isdigit() for part in numbers) or tuple(map(int, numbers)) < OLDEST_TORCH:
        return f"torch {found.torch.version} is too old"
    if "matmul" in found.errors:
        return f"torch {found.torch.version} does not compute: {found.errors['matmul']}"
    if gpus.gpus and not found.matmul.startswith("cuda"):
        return f"torch {found.torch.version} does not use the GPU {found.torch.why}".rstrip()
    if not found.torch.hip:
        for name, capability in found.torch.devices:
            if not torch_builds.runs_on(capability, found.torch.codes):
                return f"torch {found.torch.version} holds no code for the {name}"
    return ""


def _candidates() -> Iterator[Path]:
    """Pythons that have a torch, the machine's own before loratui's."""
    find = "import importlib.util, sys; found = importlib.util.find_spec('torch')"
    code = f"{find}; print(sys.executable, found.origin if found else '')"
    asked, torches = set(), set()
    for python in _pythons():
        if python in asked or not os.access(python, os.X_OK):
            continue
        asked.add(python)
        real, _, torch = _ask(python, code).partition(" ")
        if torch and torch not in torches:
            torches.add(torch)
            yield Path(real)


def _pythons() -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder and Path(folder) != Path(sys.prefix) / "bin":
            yield from (Path(folder) / name for name in ("python3", "python"))
    yield from (Path(python) for python in _USUAL_PYTHONS)
    yield Path(sys.executable)


def _some_python() -> Path:
    """A Python that sd-scripts runs on."""
    names = ("python3.11", "python3.12", "python3.10", "python3.13")
    if OLDEST_PYTHON <= sys.version_info[:2] <= NEWEST_PYTHON:
        return Path(sys.executable)
    for name in names:
        found = shutil.which(name)
        if found:
            return Path(found)
    raise refusal(
        "setup kohya",
        "sd-scripts needs Python 3.10 to 3.13, and there is none.",
        "apt-get install -y python3.11 python3.11-venv, or name one with --python.",
    )


def _ask(python: Path, code: str, *words: str) -> str:
    try:
        done = subprocess.run(
            [str(python), "-c", code, *words],
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def links_folder() -> Path:
    """The folder of links to a torch that is reused."""
    return places.home() / "sd-scripts-torch"


def link(source: TorchSource) -> None:
    """Make the folder of links anew. Raises ``UserError``."""
    assert source.reused is not None
    names = _LINKED if source.torchvision else _LINKED[:1]
    entries = _entries(source.reused.python, names)
    if "torch" not in entries:
        raise _unlinkable(source)
    with new_folder(links_folder(), WAY_OUT) as folder:
        for name, target in sorted(entries.items()):
            (folder / name).symlink_to(target)


def _entries(python: Path, names: Sequence[str]) -> dict[str, str]:
    """Top-level files and folders of these packages and all they need, where they are installed."""
    try:
        found = json.loads(_ask(python, _CLOSURE, *names) or "{}")
    except ValueError:
        return {}
    return {name: target for name, target in found.items() if os.path.lexists(target)}


def _unlinkable(source: TorchSource) -> UserError:
    return refusal(
        "setup kohya",
        f"the torch of {source.python} does not say which files are its own.",
        "Let setup install one: loratui setup kohya --torch install",
    )
