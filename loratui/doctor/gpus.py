"""The NVIDIA driver and its GPUs, by nvidia-smi: the one program that comes with every driver."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loratui.doctor.check import Check, fine, note, wrong
from loratui.doctor.torch_builds import sm

_FIELDS = ("index", "name", "compute_cap", "memory.total", "memory.used", "driver_version")
_BUSY = 0.1
"""The part of a GPU's memory that may be in use before it is worth a word."""
_RENTED = "On a rented machine: take one with a GPU. A stopped pod may come back with none; start another."


@dataclass(frozen=True)
class Gpu:
    """One GPU as the driver knows it."""

    index: int
    name: str
    capability: tuple[int, int] | None
    """CUDA compute capability; None from drivers before 510, which do not tell."""
    total_mib: int
    used_mib: int


@dataclass(frozen=True)
class Gpus:
    """What the driver says."""

    driver: str
    """Version; empty where there is no driver."""
    gpus: tuple[Gpu, ...]
    trouble: str = ""
    """What nvidia-smi says instead."""

    @property
    def driver_major(self) -> int | None:
        """570 of 570.124.06."""
        major = self.driver.partition(".")[0]
        return int(major) if major.isdigit() else None

    @property
    def capabilities(self) -> list[tuple[int, int]]:
        """Those that are known."""
        return [gpu.capability for gpu in self.gpus if gpu.capability]


def look() -> Gpus:
    """Ask the driver. Never raises."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return Gpus(_kernel_driver(), (), "")
    for fields in (_FIELDS, tuple(field for field in _FIELDS if field != "compute_cap")):
        try:
            done = subprocess.run(
                [program, f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=30,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Gpus(_kernel_driver(), (), "nvidia-smi does not answer: the driver hangs")
        except OSError as error:
            return Gpus(_kernel_driver(), (), f"nvidia-smi cannot be run: {error.strerror}")
        if done.returncode == 0:
            return parse(done.stdout, fields)
    words = (done.stdout.strip() or done.stderr.strip()).splitlines()
    return Gpus(_kernel_driver(), (), words[0][:200] if words else f"nvidia-smi fails ({done.returncode})")


def parse(text: str, fields: tuple[str, ...]) -> Gpus:
    """What nvidia-smi printed as CSV without units."""
    gpus, driver = [], ""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) != len(fields):
            continue
        row = {field: cells[place] for place, field in enumerate(fields)}
        driver = row["driver_version"]
        gpus.append(
            Gpu(
                _number(row["index"]),
                row["name"],
                _capability(row.get("compute_cap", "")),
                _number(row["memory.total"]),
                _number(row["memory.used"]),
            )
        )
    return Gpus(driver, tuple(gpus))


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _capability(text: str) -> tuple[int, int] | None:
    major, _, minor = text.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else None


def _kernel_driver() -> str:
    """The version of the kernel's driver, which a container may have without nvidia-smi."""
    try:
        words = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8").split()
    except OSError:
        return ""
    return next((word for word in words if word.count(".") >= 1 and word[0].isdigit()), "")


def checks(found: Gpus) -> Iterator[Check]:
    """The driver, and each GPU."""
    if found.trouble:
        yield wrong(
            "driver", found.trouble, "Restart the machine, or take another; it is the driver's own trouble."
        )
    elif not found.driver:
        amd = " (there is an AMD GPU: loratui is not tested with one)" if Path("/dev/kfd").exists() else ""
        yield wrong("driver", f"no NVIDIA driver{amd}", _RENTED)
    elif not found.gpus and shutil.which("nvidia-smi") is None:
        yield wrong(
            "driver",
            f"driver {found.driver} is in the kernel, and this container has no part in it",
            "Start the container with --gpus all (docker), or take a GPU template.",
        )
    else:
        yield fine("driver", f"NVIDIA {found.driver}")
    if not found.gpus:
        fix = _RENTED if found.driver and not found.trouble else "See the driver above."
        yield wrong("gpu", "no NVIDIA GPU: training on the CPU is for trials only", fix)
    for gpu in found.gpus:
        yield _gpu(gpu)


def _gpu(gpu: Gpu) -> Check:
    name = "gpu" if gpu.index == 0 else f"gpu.{gpu.index}"
    code = f", {sm(gpu.capability)}" if gpu.capability else ""
    detail = f"{gpu.name}{code}, {gpu.total_mib / 1024:.0f} GiB"
    if gpu.total_mib and gpu.used_mib > _BUSY * gpu.total_mib:
        free = (gpu.total_mib - gpu.used_mib) / 1024
        return note(
            name,
            f"{detail}, of which {free:.1f} GiB are free: something else uses it",
            "nvidia-smi lists the programs; end what you do not need (a notebook's kernel, an idle web UI).",
        )
    return fine(name, detail)
