"""What the libraries say, judged: a fix for each thing that is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from loratui.doctor.check import Check
from loratui.doctor.gpus import Gpu, Gpus
from loratui.doctor.libraries import BUILTIN_LIBRARIES, builtin, kohya
from loratui.doctor.probing import Libraries, Torch
from loratui.kohya_checkout import Checkout

PYTHON = Path("/v/bin/python")
NONE = Gpus("", ())
RTX_5090 = Gpus("570.86.10", (Gpu(0, "NVIDIA GeForce RTX 5090", (12, 0), 32607, 12),))
CPU_TORCH = Torch("2.13.0+cpu", None, Path("/v/lib/torch"), available=False)
GPU_TORCH = Torch(
    "2.8.0+cu128", "12.8", Path("/v/lib/torch"), True, (("RTX 5090", (12, 0)),), ("sm_90", "sm_120")
)
ALL = dict.fromkeys((*BUILTIN_LIBRARIES, "transformers"), "1")


def found(torch: Torch | None, **more: object) -> Libraries:
    return replace(Libraries(PYTHON, "3.11.7", dict(ALL), torch), **more)  # type: ignore[arg-type]


def wrong(checks: list[Check]) -> dict[str, Check]:
    bad = {check.name: check for check in checks if not check.ok}
    assert all(check.fix for check in bad.values())
    return bad


def test_a_torch_that_fits() -> None:
    assert wrong([*builtin(found(GPU_TORCH, matmul="cuda:0"), RTX_5090)]) == {}
    assert wrong([*builtin(found(CPU_TORCH, matmul="cpu"), NONE)]) == {}


@pytest.mark.parametrize(
    ("torch", "words"),
    [
        (CPU_TORCH, "for the CPU only"),
        (replace(GPU_TORCH, codes=("sm_80", "sm_90")), "no code for the RTX 5090 (sm_120)"),
        (replace(GPU_TORCH, available=False, devices=(), why="driver too old"), "driver too old"),
    ],
)
def test_a_torch_that_does_not_fit_the_gpu(torch: Torch, words: str) -> None:
    check = wrong([*builtin(found(torch), RTX_5090)])["builtin.torch"]
    assert words in check.detail and check.needed
    assert check.fix.startswith(f"{PYTHON} -m pip install") and check.fix.endswith("/cu128")


def test_a_driver_older_than_the_gpu() -> None:
    old = replace(RTX_5090, driver="550.54")
    check = wrong([*builtin(found(CPU_TORCH), old)])["builtin.torch"]
    assert "570" in check.fix and "pip" not in check.fix


def test_a_product_that_fails() -> None:
    libraries = found(GPU_TORCH, errors={"matmul": "RuntimeError: CUBLAS_STATUS_NOT_INITIALIZED"})
    assert "CUBLAS" in wrong([*builtin(libraries, RTX_5090)])["builtin.matmul"].detail


def test_no_trainer_is_no_fault() -> None:
    check = wrong([*builtin(Libraries(PYTHON, "3.11.7"), NONE)])["builtin"]
    assert not check.needed and "loratui[train]" in check.fix


def test_a_half_installed_timm() -> None:
    libraries = found(CPU_TORCH, versions={**ALL, "timm": "1.0"})
    check = wrong([*builtin(libraries, NONE)])["builtin.torchvision"]
    assert "uninstall timm" in check.fix and not check.needed
    without = replace(libraries, versions={key: "1" for key in libraries.versions if key != "transformers"})
    assert wrong([*builtin(without, NONE)]) == {}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    (tmp_path / "train_network.py").touch()
    (tmp_path / "requirements.txt").write_text(
        "accelerate==1.6.0\ndiffusers[torch]==0.32.1\nopencv-python==4.10.0.84\n# toml\n\nnumpy\n-e .\n"
    )
    return Checkout(tmp_path, PYTHON, "own")


KOHYA = {"accelerate": "1.6.0", "diffusers": "0.32.1", "opencv-python-headless": "4.9", "numpy": "2.4"}


def test_a_checkout_that_is_well(checkout: Checkout) -> None:
    fits = {"torchvision": "0.28.0+cpu", "bitsandbytes": "0.50"}
    libraries = found(CPU_TORCH, versions=KOHYA, matmul="cpu", imported=fits)
    assert wrong([*kohya(checkout, libraries, NONE)]) == {}


def test_torchvision_of_another_torch(checkout: Checkout) -> None:
    nms = "RuntimeError: operator torchvision::nms does not exist"
    libraries = found(
        CPU_TORCH,
        versions={**KOHYA, "torchvision": "0.28.0"},
        errors={"torchvision": nms, "library.train_util": nms},
    )
    check = wrong([*kohya(checkout, libraries, NONE)])["kohya.torchvision"]
    assert check.needed and nms in check.detail
    assert '"torchvision==0.28.*"' in check.fix and check.fix.endswith("/whl/cpu")


def test_torchvision_that_is_not_there(checkout: Checkout) -> None:
    error = {"torchvision": "ModuleNotFoundError: No module named 'torchvision'"}
    check = wrong([*kohya(checkout, found(GPU_TORCH, versions=KOHYA, errors=error), RTX_5090)])
    assert "0.23.*" in check["kohya.torchvision"].fix and "/cu128" in check["kohya.torchvision"].fix


def test_what_is_missing_and_what_is_other(checkout: Checkout) -> None:
    libraries = found(CPU_TORCH, versions={"accelerate": "1.15.0"}, imported={"torchvision": "0.28.0+cpu"})
    check = wrong([*kohya(checkout, libraries, NONE)])["kohya.requirements"]
    assert check.detail == "missing: diffusers, opencv-python, numpy"
    other = found(CPU_TORCH, versions={**KOHYA, "accelerate": "1.15.0"})
    check = wrong([*kohya(checkout, other, NONE)])["kohya.requirements"]
    assert check.detail.endswith("accelerate 1.15.0 for 1.6.0") and not check.needed


def test_opencv_without_its_system_library(checkout: Checkout) -> None:
    error = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
    check = wrong([*kohya(checkout, found(CPU_TORCH, versions=KOHYA, errors={"cv2": error}), NONE)])
    assert "apt-get install -y libgl1" in check["kohya.opencv"].fix


def test_no_checkout_is_no_fault_unless_one_was_named(tmp_path: Path) -> None:
    own = wrong([*kohya(Checkout(tmp_path, None, "own"), None, NONE)])["kohya"]
    named = wrong([*kohya(Checkout(tmp_path, None, "variable"), None, NONE)])["kohya"]
    assert (own.needed, named.needed) == (False, True)
    assert own.fix.endswith("loratui setup kohya")


def test_a_checkout_without_an_environment(checkout: Checkout) -> None:
    check = wrong([*kohya(replace(checkout, python=None), None, NONE)])["kohya"]
    assert check.needed and "virtual environment" in check.detail
