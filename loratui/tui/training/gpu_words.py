"""The GPUs in a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import TYPE_CHECKING

from loratui.tui.glyphs import glyphs
from loratui.tui.text import Part, clip, plain

if TYPE_CHECKING:
    from loratui.runs.hardware.gpu import Gpu, GpuReading

_GIB = 1 << 30
_BAR = 16
_SHOWN = 4
_ON_A_LINE = 2
_NO_GPU = "no GPU: the CPU trains"


def parts(reading: GpuReading | None, told: int | None = None) -> list[Part]:
    """All GPUs for one line; the sentence that says why there is none. ``told`` is the most memory that the
    trainer says it has held, in bytes."""
    if reading is None:
        return []
    if not reading.gpus:
        without = reading.sentence.startswith("No NVIDIA GPU")
        peak = (2, _peak(told) if told else "")
        return [peak, (1, _NO_GPU) if without else (0, plain(reading.sentence))]
    many = len(reading.gpus) > _ON_A_LINE
    found = [(0, _together(reading.gpus) if many else "   ".join(map(_one, reading.gpus)))]
    if len(reading.gpus) == 1:
        found += [(3, _heat(reading.gpus[0]).strip()), (4, _power(reading.gpus[0]).strip())]
    if reading.sentence:
        found.append((0, f"{glyphs().unusual} {plain(reading.sentence)}"))
    return found


def _one(gpu: Gpu) -> str:
    slowed = f" {glyphs().unusual} slowed" if gpu.throttled_by else ""
    return f"GPU {gpu.label} {_memory(gpu)}{_busy(gpu)}{slowed}"


def _together(gpus: Sequence[Gpu]) -> str:
    """Many GPUs: the fullest, and how busy the idlest and the busiest are; one that waits shows."""
    fullest = max(gpus, key=lambda gpu: gpu.used_bytes / max(1, gpu.total_bytes))
    busy = [gpu.busy_percent for gpu in gpus if gpu.busy_percent is not None]
    load = f"  busy {min(busy)} to {max(busy)} %" if busy else ""
    slowed = [gpu.label for gpu in gpus if gpu.throttled_by]
    mark = f" {glyphs().unusual} slowed: {', '.join(slowed)}" if slowed else ""
    return f"{len(gpus)} GPUs  fullest {fullest.label}: {_memory(fullest)}{load}{mark}"


def _peak(told: int) -> str:
    return f"trainer's peak {told / _GIB:.1f} GiB"


def block(
    reading: GpuReading | None, width: int, peaks: Mapping[str, int] | None = None, told: int | None = None
) -> str:
    """The first GPUs, three or four lines each. ``peaks`` are the most bytes seen in use, by label; ``told``
    the most that the trainer says it has held."""
    if reading is None:
        return ""
    if not reading.gpus:
        return f"{plain(reading.sentence)}\n{_peak(told)}" if told else plain(reading.sentence)
    signs, lines = glyphs(), []
    for gpu in reading.gpus[:_SHOWN]:
        full = min(_BAR, round(gpu.used_bytes / max(1, gpu.total_bytes) * _BAR))
        lines.append(clip(f"GPU {gpu.label}  {plain(gpu.name)}", width))
        lines.append(f"{signs.bar_full * full}{signs.bar_rest * (_BAR - full)} {_memory(gpu)}")
        told_of = f"{_busy(gpu).strip()}{_heat(gpu)}{_power(gpu)}".strip()
        if told_of or gpu.part is None:
            lines.append(told_of)
        else:
            lines.append(clip("a MIG slice: load is not told", width))
        peak = (peaks or {}).get(gpu.label)
        if peak is not None and len(reading.gpus) <= _SHOWN // 2:
            own = f", {_peak(told)}" if told and len(reading.gpus) == 1 else ""
            lines.append(clip(f"peak {peak / _GIB:.1f} GiB{own}", width))
        if gpu.throttled_by:
            lines.append(clip(f"{signs.unusual} slowed: {', '.join(gpu.throttled_by)}", width))
    if len(reading.gpus) > _SHOWN:
        lines.append(f"and {len(reading.gpus) - _SHOWN} more")
    if reading.sentence:
        lines += wrap(f"{signs.unusual} {plain(reading.sentence)}", width)
    return "\n".join(lines)


def _heat(gpu: Gpu) -> str:
    return f"  {gpu.temperature} C" if gpu.temperature is not None else ""


def _power(gpu: Gpu) -> str:
    if gpu.watts is None:
        return ""
    limit = f"/{gpu.watts_limit:.0f}" if gpu.watts_limit is not None else ""
    return f"  {gpu.watts:.0f}{limit} W"


def _memory(gpu: Gpu) -> str:
    return f"{gpu.used_bytes / _GIB:.1f}/{gpu.total_bytes / _GIB:.1f} GiB"


def _busy(gpu: Gpu) -> str:
    return f"  busy {gpu.busy_percent} %" if gpu.busy_percent is not None else ""
