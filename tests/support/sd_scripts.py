"""A small likeness of kohya-ss/sd-scripts for setup to work on: a real git repository with real requirements,
a Python with a torch of its own, packages to install without a network. None of its code is theirs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

BACKEND = """
import os, time, zipfile
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    if os.environ.get("SLOW_BUILD"):
        print("building slowly", flush=True)
        time.sleep(60)
    name = "library-0.0.0-py3-none-any.whl"
    files = {
        "library.pth": os.getcwd() + "\\n",
        "library-0.0.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: library\\nVersion: 0.0.0\\n",
        "library-0.0.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "library-0.0.0.dist-info/RECORD": "",
    }
    with zipfile.ZipFile(os.path.join(wheel_directory, name), "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
    return name
"""
FILES = {
    "train_network.py": "",
    "library/__init__.py": "",
    "library/train_util.py": "import torchvision\n",
    "requirements.txt": "tiny-cv2==1.0  # what it computes with\n-e .\n",
    "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
    "backend.py": BACKEND,
    ".gitignore": "venv\n__pycache__\n",
}

TORCH = """
__version__ = "2.9.1"
class version:
    cuda = hip = None
class Number:
    to = cpu = abs = max = __matmul__ = __sub__ = lambda self, *more: self
    __float__ = lambda self: 0.0
randn = lambda *size: Number()
manual_seed = lambda seed: None
"""


def git(folder: Path, *words: str) -> str:
    """Run git as somebody."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


class Origin:
    """The repository that is fetched from."""

    def __init__(self, folder: Path) -> None:
        self._work = folder / "work"
        self.bare = folder / "origin.git"
        self._work.mkdir(parents=True)
        git(self._work, "init", "-q")
        self.first = self._commit(FILES)
        git(folder, "clone", "-q", "--bare", str(self._work), str(self.bare))

    def add(self, **files: str) -> str:
        """A further commit; names of files with __ for / and _dot_ for the last dot. Returns its number."""
        named = {name.replace("__", "/").replace("_dot_", "."): text for name, text in files.items()}
        commit = self._commit(named)
        git(self._work, "push", "-q", str(self.bare), "HEAD:main")
        return commit

    def _commit(self, files: dict[str, str]) -> str:
        for name, text in files.items():
            (self._work / name).parent.mkdir(parents=True, exist_ok=True)
            (self._work / name).write_text(text)
        git(self._work, "add", "-A")
        git(self._work, "commit", "-q", "-m", "a commit")
        return git(self._work, "rev-parse", "HEAD")


def python_with_torch(folder: Path) -> Path:
    """A Python as a rented machine has it: with a torch, its torchvision, and other things beside them."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    site = next((folder / "lib").glob("python3.*/site-packages"))
    _put(site, "torch", "2.9.1", TORCH, "Requires-Dist: jinja3\n")
    _put(site, "torchvision", "0.24.1", "__version__ = '0.24.1'\n", "Requires-Dist: torch==2.9.1\n")
    _put(site, "jinja3", "3.0", "", "")
    _put(site, "peft", "99.0", "raise RuntimeError('breaks whatever imports it')\n", "")
    return folder / "bin" / "python"


def _put(site: Path, name: str, version: str, code: str, needs: str) -> None:
    about = site / f"{name}-{version}.dist-info"
    about.mkdir()
    (site / name).mkdir()
    (site / name / "__init__.py").write_text(code)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}")
    (about / "RECORD").write_text(f"{name}/__init__.py,,\n{about.name}/METADATA,,\n../../../bin/x,,\n")


def wheel(folder: Path, name: str, version: str, module: str) -> None:
    """A package that pip can install without a network."""
    folder.mkdir(exist_ok=True)
    about = f"{name}-{version}.dist-info"
    files = {
        f"{module}.py": "__version__ = '1'\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{about}/RECORD": "",
    }
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)


def environment(home: Path, origin: Origin, wheels: Path) -> dict[str, str]:
    """What a setup without a network needs."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **kept,
        "LORATUI_HOME": str(home),
        "LORATUI_KOHYA_URL": str(origin.bare),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
