"""A machine without a GPU is told so in one sentence; one with GPUs is read."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from loratui.runs.hardware import gpu


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    gpu._nvml = None
    gpu._handles.clear()
    yield
    gpu._nvml = None
    gpu._handles.clear()


def test_this_machine_gets_gpus_or_a_sentence() -> None:
    reading = gpu.sample()
    assert bool(reading.gpus) != bool(reading.sentence)
    assert all(0 < item.total_bytes >= item.used_bytes for item in reading.gpus)


class NVMLError(Exception):
    pass


class NVMLError_NoPermission(NVMLError):  # noqa: N801, N818
    pass


def driver(**changes: Any) -> types.SimpleNamespace:
    def unsupported(*_: object) -> None:
        raise NVMLError("Not Supported")

    values: dict[str, Any] = {
        "NVMLError": NVMLError,
        "NVML_TEMPERATURE_GPU": 0,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 1,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetMemoryInfo": lambda _: types.SimpleNamespace(used=3 << 30, total=8 << 30),
        "nvmlDeviceGetName": lambda _: "NVIDIA Test",
        "nvmlDeviceGetUtilizationRates": lambda _: types.SimpleNamespace(gpu=97),
        "nvmlDeviceGetTemperature": lambda *_: 71,
        "nvmlDeviceGetPowerUsage": unsupported,
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 250_000,
        "nvmlDeviceGetCudaComputeCapability": lambda _: [8, 9],
    }
    return types.SimpleNamespace(**values | changes)


def test_what_a_gpu_does_not_tell_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver())
    reading = gpu.sample()
    told = gpu.Gpu(0, "NVIDIA Test", 3 << 30, 8 << 30, 97, 71, None, 250.0, (8, 9))
    assert reading == gpu.GpuReading((told,), "")


def test_nvml_is_begun_once(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []
    monkeypatch.setitem(sys.modules, "pynvml", driver(nvmlInit=lambda: begun.append(1)))
    for _ in range(3):
        gpu.sample()
    assert begun == [1]


def test_a_refusal_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise NVMLError_NoPermission("Insufficient Permissions")

    monkeypatch.setitem(sys.modules, "pynvml", driver(nvmlInit=refuse))
    reading = gpu.sample()
    assert reading.gpus == ()
    assert "does not let this user" in reading.sentence


def test_no_gpu_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver(nvmlDeviceGetCount=lambda: 0))
    assert gpu.sample() == gpu.GpuReading((), gpu.NO_GPU)


def test_heat_and_supply_slow_a_gpu_down_a_power_limit_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    bits = 0x4 | 0x40 | 0x80
    for name in ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons"):
        gpu._nvml = None
        monkeypatch.setitem(sys.modules, "pynvml", driver(**{name: lambda _: bits}))
        (found,) = gpu.sample().gpus
        assert found.throttled_by == ("thermal slowdown (hardware)", "power brake (the supply)")


def test_a_gpu_cut_into_slices_is_read_by_slice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole of a MIG GPU tells nothing of what a slice may use."""

    def slice_of(_: object, number: int) -> str:
        if number > 1:
            raise NVMLError("Not Found")
        return f"slice {number}"

    sliced = driver(
        nvmlDeviceGetMigMode=lambda _: (1, 1),
        nvmlDeviceGetMaxMigDeviceCount=lambda _: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=slice_of,
        nvmlDeviceGetMemoryInfo=lambda handle: types.SimpleNamespace(
            used=1 << 30, total=(5 << 30) if "slice" in str(handle) else 0
        ),
    )
    monkeypatch.setitem(sys.modules, "pynvml", sliced)
    assert [(one.label, one.total_bytes) for one in gpu.sample().gpus] == [("0:0", 5 << 30), ("0:1", 5 << 30)]


def test_one_gpu_that_refuses_hides_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def memory(handle: int) -> types.SimpleNamespace:
        if handle == 0:
            raise NVMLError_NoPermission("Insufficient Permissions")
        return types.SimpleNamespace(used=1 << 30, total=8 << 30)

    two = driver(nvmlDeviceGetCount=lambda: 2, nvmlDeviceGetMemoryInfo=memory)
    monkeypatch.setitem(sys.modules, "pynvml", two)
    assert [one.index for one in gpu.sample().gpus] == [1]
    assert gpu.sample().sentence.startswith("GPU 0: The NVIDIA driver does not let this user")
    gpu._nvml = None
    monkeypatch.setitem(sys.modules, "pynvml", driver(nvmlDeviceGetMemoryInfo=lambda _: memory(0)))
    assert "does not let this user" in gpu.sample().sentence


@pytest.mark.parametrize(
    ("named", "indices"),
    [(None, [0, 1]), ("1", [1]), ("", []), ("-1", []), ("GPU-abc", [0, 1]), ("1,0", [0, 1])],
)
def test_the_gpus_of_this_run(named: str | None, indices: list[int]) -> None:
    cards = tuple(gpu.Gpu(index, "x", 0, 1, None, None, None, None) for index in (0, 1))
    environment = {} if named is None else {"CUDA_VISIBLE_DEVICES": named}
    assert [one.index for one in gpu.visible(gpu.GpuReading(cards, ""), environment)] == indices
