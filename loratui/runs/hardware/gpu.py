"""The GPUs at this moment, by NVML. A machine without one gets a sentence, never an error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

NO_GPU = "No NVIDIA GPU found: training runs on the CPU."

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU at one moment; None for what it does not tell."""

    index: int
    name: str
    used_bytes: int
    total_bytes: int
    busy_percent: int | None
    temperature: int | None
    """Degrees Celsius."""
    watts: float | None
    watts_limit: float | None
    capability: tuple[int, int] | None = None
    """CUDA compute capability, major and minor."""
    throttled_by: tuple[str, ...] = ()
    """Why its clocks are lower than they could be, heat and power supply alone; a power limit reached under
    full load is as it should be."""
    part: int | None = None
    """The number of this slice of a GPU that is cut into some (MIG)."""

    @property
    def label(self) -> str:
        """How it is called: ``0``, or ``0:1`` for a slice."""
        return str(self.index) if self.part is None else f"{self.index}:{self.part}"


@dataclass(frozen=True, slots=True)
class GpuReading:
    """All GPUs that can be read, and the sentence on those that cannot."""

    gpus: tuple[Gpu, ...]
    sentence: str


_nvml: Any = None
_handles: list[tuple[int, int | None, Any]] = []


def sample() -> GpuReading:
    """Read all GPUs now. NVML is loaded with the first call and kept; never raises."""
    try:
        return _sample()
    except Exception as error:  # NVML's own, a broken driver's, a missing library's: training goes on
        return GpuReading((), _sentence(error))


def first_visible(reading: GpuReading, environment: Mapping[str, str]) -> Gpu | None:
    """The GPU a training would take: the first that CUDA_VISIBLE_DEVICES leaves; None without one."""
    first = environment.get("CUDA_VISIBLE_DEVICES", "").partition(",")[0].strip()
    if first == "-1" or not reading.gpus:
        return None
    wanted = int(first) if first.isdecimal() else 0
    return next((one for one in reading.gpus if one.index == wanted), reading.gpus[0])


def visible(reading: GpuReading, environment: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES leaves; all where it names them in another way (UUID, MIG)."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return reading.gpus
    parts = [part.strip() for part in named.split(",") if part.strip()]
    if not parts or parts[0] == "-1":
        return ()
    if not all(part.isdecimal() for part in parts):
        return reading.gpus
    return tuple(one for one in reading.gpus if str(one.index) in parts)


def _sample() -> GpuReading:
    global _nvml  # noqa: PLW0603  (a library that is loaded once for the process)
    if _nvml is None:
        import pynvml

        pynvml.nvmlInit()
        _handles[:] = [
            found for index in range(pynvml.nvmlDeviceGetCount()) for found in _open(pynvml, index)
        ]
        _nvml = pynvml
    gpus, sentence = [], ""
    for index, part, handle in _handles:
        try:
            gpus.append(_read(_nvml, index, handle, part))
        except _nvml.NVMLError as error:  # one GPU's refusal says nothing of the others
            sentence = _sentence(error)
            if len(_handles) > 1:
                sentence = f"GPU {index}: {sentence}"
    return GpuReading(tuple(gpus), sentence if gpus else sentence or NO_GPU)


def _open(nvml: Any, index: int) -> list[tuple[int, int | None, Any]]:
    """The handles of one GPU: of its MIG slices where it is cut into some, since the whole then tells nothing
    of what a slice may use (NVML API, Multi Instance GPU Management)."""
    whole = nvml.nvmlDeviceGetHandleByIndex(index)
    try:
        if nvml.nvmlDeviceGetMigMode(whole)[0] != 1:
            return [(index, None, whole)]
        count = nvml.nvmlDeviceGetMaxMigDeviceCount(whole)
    except (nvml.NVMLError, AttributeError):
        return [(index, None, whole)]
    slices: list[tuple[int, int | None, Any]] = []
    for number in range(count):
        with contextlib.suppress(nvml.NVMLError):
            slices.append((index, number, nvml.nvmlDeviceGetMigDeviceHandleByIndex(whole, number)))
    return slices or [(index, None, whole)]


def _read(nvml: Any, index: int, handle: Any, part: int | None) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    name = nvml.nvmlDeviceGetName(handle)

    def told(look: Callable[[], Value]) -> Value | None:
        try:
            return look()
        except nvml.NVMLError:
            return None

    used_milliwatts = told(lambda: nvml.nvmlDeviceGetPowerUsage(handle))
    limit_milliwatts = told(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle))
    return Gpu(
        index=index,
        name=name.decode("utf-8", errors="replace") if isinstance(name, bytes) else str(name),
        used_bytes=int(memory.used),
        total_bytes=int(memory.total),
        busy_percent=told(lambda: int(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)),
        temperature=told(lambda: int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU))),
        watts=None if used_milliwatts is None else used_milliwatts / 1000,
        watts_limit=None if limit_milliwatts is None else limit_milliwatts / 1000,
        capability=told(lambda: _pair(nvml.nvmlDeviceGetCudaComputeCapability(handle))),
        throttled_by=told(lambda: _throttled_by(nvml, handle)) or (),
        part=part,
    )


_REASONS = {
    0x20: "thermal slowdown (software)",
    0x40: "thermal slowdown (hardware)",
    0x80: "power brake (the supply)",
}
"""nvmlClocksEventReason* of nvml.h: SwThermalSlowdown, HwThermalSlowdown, HwPowerBrakeSlowdown."""


def _throttled_by(nvml: Any, handle: Any) -> tuple[str, ...]:
    read = getattr(nvml, "nvmlDeviceGetCurrentClocksEventReasons", None)
    read = read or getattr(nvml, "nvmlDeviceGetCurrentClocksThrottleReasons", None)  # drivers before 535
    bits = int(read(handle)) if read is not None else 0
    return tuple(words for bit, words in _REASONS.items() if bits & bit)


def _pair(numbers: Sequence[int]) -> tuple[int, int]:
    return int(numbers[0]), int(numbers[1])


def _sentence(error: Exception) -> str:
    """By NVML's error names: no library and no driver mean no GPU; anything else is said as it is."""
    kind = type(error).__name__
    if kind in (
        "NVMLError_LibraryNotFound",
        "NVMLError_DriverNotLoaded",
        "ModuleNotFoundError",
        "ImportError",
    ):
        return NO_GPU
    if kind == "NVMLError_NoPermission":
        return "The NVIDIA driver does not let this user read the GPU: training may still use it."
    if kind == "NVMLError_LibRmVersionMismatch":
        return "The NVIDIA driver was updated and needs a restart of the machine before the GPU can be read."
    if kind == "NVMLError_GpuIsLost":
        return "The GPU has fallen off the bus: restart the machine, or take another."
    return f"The GPU cannot be read ({error})."
