"""Libraries asked in a process of their own: what they say, and what is known when they take it down. The
libraries are small ones made here, that behave as broken installations do."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from loratui.doctor.probing import look

PYTHON = Path(sys.executable)

TORCH = """
class cuda:
    @staticmethod
    def init(): pass
    is_available = staticmethod(lambda: True)
    get_arch_list = staticmethod(lambda: ["sm_80", "sm_90"])
    device_count = staticmethod(lambda: 1)
    get_device_name = staticmethod(lambda index: "NVIDIA GeForce RTX 5090")
    get_device_capability = staticmethod(lambda index: (12, 0))
class version:
    cuda = "12.4"
    hip = None
__version__ = "2.6.0+cu124"
def manual_seed(number): pass
def randn(*size): raise RuntimeError("CUDA error: no kernel image is available\\nmore")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages that goes before all others."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def package(folder: Path, name: str, text: str) -> None:
    path = folder / name / "__init__.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def test_what_a_gpu_build_says_of_a_gpu_it_has_no_code_for(folder: Path) -> None:
    package(folder, "torch", TORCH)
    found = look(PYTHON, packages=["msgspec", "no-such-package"])
    assert found.torch is not None
    assert (found.torch.version, found.torch.cuda) == ("2.6.0+cu124", "12.4")
    assert found.torch.devices == (("NVIDIA GeForce RTX 5090", (12, 0)),)
    assert found.torch.codes == ("sm_80", "sm_90")
    assert found.torch.folder == folder / "torch"
    assert found.errors == {"matmul": "RuntimeError: CUDA error: no kernel image is available"}
    assert set(found.versions) == {"msgspec"}
    assert found.version == ".".join(map(str, sys.version_info[:3]))


def test_a_driver_too_old_is_said_in_torch_s_words(folder: Path) -> None:
    words = "The NVIDIA driver on your system is too old (found version 11040)."
    package(folder, "torch", TORCH.replace("init(): pass", f"init(): raise RuntimeError({words!r})"))
    found = look(PYTHON, ("torch",), ())
    assert found.torch is not None and not found.torch.available
    assert words in found.torch.why


def test_the_error_that_began_it_counts(folder: Path) -> None:
    package(folder, "torch", TORCH)
    package(folder, "torchvision", "raise RuntimeError('operator torchvision::nms does not exist')")
    package(
        folder,
        "transformers",
        "try:\n    import torchvision\nexcept RuntimeError as error:\n"
        "    raise ModuleNotFoundError('Could not import module PreTrainedModel') from error",
    )
    found = look(PYTHON, ("torch", "torchvision", "transformers"), ())
    nms = "RuntimeError: operator torchvision::nms does not exist"
    assert found.errors == {"torchvision": nms, "transformers": nms}


def test_a_package_that_takes_the_process_down(folder: Path) -> None:
    package(folder, "torch", TORCH)
    package(folder, "cv2", "__version__ = '4.10'")
    package(folder, "bitsandbytes", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    found = look(PYTHON, ("torch", "cv2", "bitsandbytes", "numpy"), ())
    assert found.torch is not None
    assert found.imported == {"cv2": "4.10"}
    assert found.errors == {"bitsandbytes": "it crashed (SIGSEGV)"}


def test_a_package_that_hangs(folder: Path) -> None:
    package(folder, "torch", "import time\nprint('@{broken', flush=True)\ntime.sleep(60)")
    found = look(PYTHON, ("torch",), (), timeout=1.5)
    assert found.torch is None
    assert found.errors == {"torch": "it took longer than 2 s"}


def test_a_python_that_does_not_run(tmp_path: Path) -> None:
    assert "python" in look(tmp_path / "none").errors
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n")
    broken.chmod(0o755)
    found = look(broken)
    assert "loading shared libraries" in found.errors["python"]
    assert "127" in found.errors["python"]
