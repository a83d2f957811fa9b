"""Which build of torch fits a driver and a GPU, and which torchvision fits a torch. Facts only.

Sources: PyTorch's RELEASE.md (release compatibility matrix, CUDA support matrix; pytorch/pytorch#172352 for
2.10) and 2.8 release notes for the architectures; NVIDIA, CUDA Compatibility, "Minor Version Compatibility"
for the drivers (580 for CUDA 13, 525 for CUDA 12, 450 for CUDA 11); CUDA 12.8 release notes for Blackwell,
which drivers before 570 do not know; pytorch/vision README for torchvision.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

INDEX = "https://download.pytorch.org/whl"
INDEX_VARIABLE = "LORATUI_TORCH_INDEX"


@dataclass(frozen=True)
class Build:
    """One build of torch that ``pip`` can fetch."""

    tag: str
    """The folder of PyTorch's index, which is also the local part of the version: ``cu128``."""
    torch: str
    torchvision: str
    driver: int
    """Major version of the oldest NVIDIA driver that runs it; 0 for a build without CUDA."""
    architectures: tuple[tuple[int, int], ...]
    """CUDA compute capabilities it holds code for: (12, 0) is the RTX 50 series."""
    arm_architectures: tuple[tuple[int, int], ...] = ()
    """The same for 64-bit Arm."""


BUILDS = (
    Build("cu128", "2.10.0", "0.25.0", 525, ((7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0)),
          ((8, 0), (9, 0), (10, 0), (12, 0))),
    Build("cu130", "2.10.0", "0.25.0", 580, ((7, 5), (8, 0), (8, 6), (9, 0), (10, 0), (12, 0)),
          ((8, 0), (9, 0), (10, 0), (11, 0), (12, 0))),
    Build("cu126", "2.10.0", "0.25.0", 525, ((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0)),
          ((8, 0), (9, 0))),
    Build("cu118", "2.7.1", "0.22.1", 450, ((5, 0), (6, 0), (7, 0), (7, 5), (8, 0), (8, 6), (9, 0))),
)  # fmt: skip
"""In order of preference."""

CPU = Build("cpu", "2.10.0", "0.25.0", 0, ())

_FIRST_BLACKWELL = (10, 0)
_BLACKWELL_DRIVER = 570


def index_url(tag: str) -> str:
    """Where pip finds builds of that tag. ``LORATUI_TORCH_INDEX`` names a mirror of PyTorch's index."""
    return f"{(os.environ.get(INDEX_VARIABLE) or INDEX).rstrip('/')}/{tag}"


def choose(
    driver: int | None, capabilities: Iterable[tuple[int, int]], machine: str = ""
) -> tuple[Build | None, str]:
    """The build for a driver's major version and the GPUs of a machine, and why: the CPU build without a
    driver, None where nothing fits. ``machine`` is ``platform.machine()``."""
    gpus = sorted(set(capabilities))
    if driver is None or not gpus:
        return CPU, "there is no NVIDIA GPU"
    names = ", ".join(sm(gpu) for gpu in gpus)
    if gpus[-1] >= _FIRST_BLACKWELL and driver < _BLACKWELL_DRIVER:
        return None, f"driver {driver} does not know {names}: it takes {_BLACKWELL_DRIVER} or newer"
    for build in BUILDS:
        if driver >= build.driver and all(runs_on(gpu, _codes(build, machine)) for gpu in gpus):
            return build, f"driver {driver} and {names}"
    return None, f"no build of torch runs on {names} with driver {driver}"


def _codes(build: Build, machine: str) -> list[str]:
    arm = (machine or platform.machine()) in ("aarch64", "arm64")
    return [sm(one) for one in (build.arm_architectures if arm else build.architectures)]


def sm(capability: Sequence[int]) -> str:
    """The name of an architecture: ``sm_120``."""
    return f"sm_{capability[0]}{capability[1]}"


def runs_on(capability: Sequence[int], codes: Iterable[str]) -> bool:
    """Whether one of the codes in a build (``torch.cuda.get_arch_list()``) runs on a GPU.

    Machine code (``sm_86``) runs on its own generation from its own minor version on; portable code
    (``compute_90``) on anything as new or newer; codes that end in a letter on exactly one chip (CUDA C++
    programming guide, "Binary Compatibility" and "PTX Compatibility").
    """
    major, minor = capability
    for code in codes:
        kind, _, number = code.partition("_")
        if number[-1:].isalpha():
            if number[:-1] == f"{major}{minor}":
                return True
        elif number.isdigit():
            code_major, code_minor = divmod(int(number), 10)
            if kind == "compute" and (code_major, code_minor) <= (major, minor):
                return True
            if kind == "sm" and code_major == major and code_minor <= minor:
                return True
    return False


def torchvision_for(torch: str) -> str | None:
    """The versions of torchvision that belong to a torch, as pip writes them (``0.28.*``).

    Since torch 2.0 the minor versions go in step: 2.0 and 0.15, 2.13 and 0.28. None for a torch that is no
    release, which comes with a torchvision of its own.
    """
    major, _, rest = torch.partition("+")[0].partition(".")
    minor = rest.partition(".")[0]
    patch = rest.partition(".")[2]
    if major != "2" or not minor.isdigit() or not patch.isdigit():
        return None
    return f"0.{int(minor) + 15}.*"


def tag_of(torch: str) -> str:
    """The folder of PyTorch's index that a version came from; empty for PyPI's own build."""
    tag = torch.partition("+")[2]
    return tag if tag == "cpu" or (tag.startswith(("cu", "rocm", "xpu")) and "." not in tag[:2]) else ""
