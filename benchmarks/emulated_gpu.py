"""A CUDA device made of the CPU: what a GPU would refuse is refused, and each wait for it is counted.

``import emulated_gpu`` before torch; a C++ compiler builds emulated_gpu.cpp against the installed torch (half
a minute, once in a folder of its own). From then on ``cuda`` is a device of this process. Nothing can be
said here of speed, of the rounding of a GPU's kernels, or of bitsandbytes' (which look for a real card).
"""

from __future__ import annotations

import ctypes
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

_SOURCE = Path(__file__).with_suffix(".cpp")


def _torch_folder() -> Path:
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        sys.exit('There is no torch here. Run: pip install "loratui[train]"')
    return Path(found.origin).parent


def _built(torch_folder: Path) -> Path:
    version = (torch_folder / "version.py").read_bytes()
    stamp = hashlib.sha256(_SOURCE.read_bytes() + version).hexdigest()[:16]
    library = Path(tempfile.gettempdir()) / f"emulated-gpu-{stamp}.so"
    if not library.exists():
        print("building the emulated GPU (half a minute, once)", file=sys.stderr)
        include, libraries = torch_folder / "include", torch_folder / "lib"
        command = ["g++", "-shared", "-fPIC", "-O1", "-std=c++20", f"-I{include}"]
        command += [f"-I{include}/torch/csrc/api/include", str(_SOURCE), f"-L{libraries}"]
        fresh = library.with_suffix(".new")
        try:
            subprocess.run([*command, "-lc10", "-ltorch_cpu", "-ltorch", "-o", str(fresh)], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            sys.exit(f"The emulated GPU cannot be built: {error}. It needs g++ (apt-get install g++).")
        fresh.replace(library)
    return library


def _load() -> ctypes.CDLL:
    """Before torch looks for a device the first time, which it does while it is imported."""
    if "torch" in sys.modules:
        raise RuntimeError("import emulated_gpu before torch")
    folder = _torch_folder()
    for path in [
        *(folder / "lib").glob("libgomp*"),
        *(folder / "lib" / f"lib{name}.so" for name in ("c10", "torch_cpu", "torch")),
    ]:
        ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
    library = ctypes.CDLL(str(_built(folder)), mode=ctypes.RTLD_GLOBAL)
    for name in ("waits", "copies", "kernels"):
        getattr(library, f"emulated_{name}").restype = ctypes.c_long
    return library


_library = _load()

import torch  # noqa: E402


def counts() -> tuple[int, int, int]:
    """Since the start: how often the program waited for the device, copies to it, kernels started on it."""
    return _library.emulated_waits(), _library.emulated_copies(), _library.emulated_kernels()


def _answer(value: Any = None) -> Any:
    return lambda *_arguments, **_named: value


_GENERATOR = [torch.Generator().get_state()]
_PROPERTIES = SimpleNamespace(
    name="emulated", total_memory=24 * 2**30, major=9, minor=0, multi_processor_count=1
)
_ANSWERS = {
    "_lazy_init": None,
    "is_available": True,
    "device_count": 1,
    "current_device": 0,
    "set_device": None,
    "synchronize": None,
    "empty_cache": None,
    "is_bf16_supported": True,
    "get_device_name": _PROPERTIES.name,
    "get_device_capability": (9, 0),
    "get_device_properties": _PROPERTIES,
    "max_memory_allocated": 0,
    "memory_allocated": 0,
    "reset_peak_memory_stats": None,
    "mem_get_info": (_PROPERTIES.total_memory, _PROPERTIES.total_memory),
    "manual_seed": None,
    "manual_seed_all": None,
    "set_rng_state": None,
    "get_rng_state": _GENERATOR[0],
    "get_rng_state_all": _GENERATOR,
}
for _name, _value in _ANSWERS.items():
    setattr(torch.cuda, _name, _answer(_value))
torch._C._cuda_getCurrentRawStream = _answer(0)
