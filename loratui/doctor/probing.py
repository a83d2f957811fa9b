"""What a Python's training libraries say of themselves, asked in a process of its own: a broken binary
package may take its process down, and a good one takes seconds to load."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT = 240.0
"""Seconds for all stages: importing torch from a slow network volume takes minutes."""

PACKAGES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "accelerate",
    "safetensors",
    "tokenizers",
    "ftfy",
    "huggingface-hub",
    "numpy",
    "bitsandbytes",
    "xformers",
    "timm",
    "prodigyopt",
    "lion-pytorch",
    "dadaptation",
    "schedulefree",
    "lycoris-lora",
)


@dataclass(frozen=True)
class Torch:
    """A torch that could be imported."""

    version: str
    cuda: str | None
    """The CUDA it was built for; None for a CPU or ROCm build."""
    folder: Path
    """Its package folder."""
    available: bool
    """Whether it sees a GPU it can use."""
    devices: tuple[tuple[str, tuple[int, int]], ...] = ()
    """Name and compute capability of each GPU it sees."""
    codes: tuple[str, ...] = ()
    """Architectures it holds code for: ``sm_90``, ``compute_90``."""
    why: str = ""
    """What it says when it was built for GPUs and cannot use one."""
    hip: str | None = None


@dataclass(frozen=True)
class Libraries:
    """What one Python has."""

    python: Path
    version: str = ""
    """Of the Python; empty when it did not even start."""
    versions: dict[str, str] = field(default_factory=dict)
    """Installed packages asked for, by name."""
    torch: Torch | None = None
    matmul: str = ""
    """Where a product was computed and came out right: ``cuda:0``, ``cpu``."""
    imported: dict[str, str] = field(default_factory=dict)
    """Modules that could be imported, and their versions."""
    errors: dict[str, str] = field(default_factory=dict)
    """Stages that failed, and how."""
    folders: tuple[Path, ...] = ()
    """Where it looks for packages."""


def look(
    python: Path,
    stages: Sequence[str] = ("torch", "matmul"),
    packages: Iterable[str] = PACKAGES,
    checkout: Path | None = None,
    timeout: float = TIMEOUT,
) -> Libraries:
    """Ask ``python``. ``stages`` are ``torch``, ``matmul`` and names of modules to import, in that order.
    Never raises: what goes wrong is in ``errors``, a Python that does not start under ``python``."""
    source = Path(__file__).with_name("probe.py").read_text(encoding="utf-8")
    words = [str(python), "-c", source, str(checkout or ""), *stages, "--", *packages]
    try:
        with subprocess.Popen(
            words,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        ) as process:
            try:
                output, complaint = process.communicate(timeout=timeout)
                ended = _ending(process.returncode)
            except subprocess.TimeoutExpired:
                process.kill()
                output, complaint = process.communicate()
                ended = f"it took longer than {timeout:.0f} s"
            except BaseException:
                process.kill()
                raise
    except OSError as error:
        return Libraries(python, errors={"python": f"{error.strerror or error}"})
    found = read(python, output.decode("utf-8", "replace"))
    if ended:
        reached = {*found.errors, *found.imported, *(["torch"] if found.torch else [])}
        reached |= {"matmul"} if found.matmul else set()
        unreached = next((stage for stage in stages if stage not in reached), stages[-1])
        last = complaint.decode("utf-8", "replace").strip().splitlines()[-1:]
        why = f"{ended}{f' ({last[0][:200]})' if last else ''}"
        found.errors["python" if not found.version else unreached] = why
    return found


def _ending(code: int) -> str:
    if code >= 0:
        return f"it ended with exit code {code}" if code else ""
    try:
        return f"it crashed ({signal.Signals(-code).name})"
    except ValueError:
        return f"it was ended by signal {-code}"


def read(python: Path, output: str) -> Libraries:
    """The findings in what the probe printed; anything between its lines is a library's own talk."""
    found = Libraries(python)
    values: dict[str, Any] = {}
    for line in output.splitlines():
        if not line.startswith("@{"):
            continue
        try:
            said = json.loads(line[1:])
            stage = said.pop("stage")
        except (ValueError, KeyError):
            continue
        if "error" in said:
            found.errors[stage] = said["error"]
        elif stage == "packages":
            values = {
                "version": said["python"],
                "versions": said["versions"],
                "folders": tuple(Path(folder) for folder in said["folders"] if folder),
            }
        elif stage == "torch":
            values["torch"] = _torch(said)
        elif stage == "matmul":
            values["matmul"] = said["device"]
        else:
            found.imported[stage] = said["version"]
    return Libraries(python, imported=found.imported, errors=found.errors, **values)


def _torch(said: dict[str, Any]) -> Torch:
    return Torch(
        said["version"],
        said["cuda"],
        Path(said["folder"]),
        said["available"],
        tuple((name, (int(pair[0]), int(pair[1]))) for name, pair in said["devices"]),
        tuple(said["codes"]),
        said["why"],
        said["hip"],
    )
