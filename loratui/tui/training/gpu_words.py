"""The GPUs in a few words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, plain

if TYPE_CHECKING:
    from loratui.runs.gpu import Gpu, GpuReading

_GIB = 1 << 30
_BAR = 16
_SHOWN = 4


def strip(reading: GpuReading | None, told: int | None = None) -> str:
    """All GPUs on one line; the sentence that says why there is none. ``told`` is the most memory that the
    trainer says it has held, in bytes."""
    if reading is None:
        return ""
    if not reading.gpus:
        return f"{_peak(told)}   {plain(reading.sentence)}" if told else plain(reading.sentence)
    slowed = f" {glyphs().unusual} slowed"
    return "   ".join(
        f"GPU {gpu.index} {_memory(gpu)}{_busy(gpu)}{slowed if gpu.throttled_by else ''}"
        for gpu in reading.gpus
    )


def _peak(told: int) -> str:
    return f"trainer's peak {told / _GIB:.1f} GiB"


def block(
    reading: GpuReading | None, width: int, peaks: Mapping[int, int] | None = None, told: int | None = None
) -> str:
    """The first GPUs, three or four lines each. ``peaks`` are the most bytes seen in use, by index; ``told``
    the most that the trainer says it has held."""
    if reading is None:
        return ""
    if not reading.gpus:
        return f"{plain(reading.sentence)}\n{_peak(told)}" if told else plain(reading.sentence)
    signs, lines = glyphs(), []
    for gpu in reading.gpus[:_SHOWN]:
        full = min(_BAR, round(gpu.used_bytes / max(1, gpu.total_bytes) * _BAR))
        lines.append(clip(f"GPU {gpu.index}  {plain(gpu.name)}", width))
        lines.append(f"{signs.bar_full * full}{signs.bar_rest * (_BAR - full)} {_memory(gpu)}")
        hot = f"  {gpu.temperature} C" if gpu.temperature is not None else ""
        lines.append(f"{_busy(gpu).strip()}{hot}{_power(gpu)}".strip())
        peak = (peaks or {}).get(gpu.index)
        if peak is not None and len(reading.gpus) <= _SHOWN // 2:
            own = f", {_peak(told)}" if told and len(reading.gpus) == 1 else ""
            lines.append(clip(f"peak {peak / _GIB:.1f} GiB{own}", width))
        if gpu.throttled_by:
            lines.append(clip(f"{signs.unusual} slowed: {', '.join(gpu.throttled_by)}", width))
    if len(reading.gpus) > _SHOWN:
        lines.append(f"and {len(reading.gpus) - _SHOWN} more")
    return "\n".join(lines)


def _power(gpu: Gpu) -> str:
    if gpu.watts is None:
        return ""
    limit = f"/{gpu.watts_limit:.0f}" if gpu.watts_limit is not None else ""
    return f"  {gpu.watts:.0f}{limit} W"


def _memory(gpu: Gpu) -> str:
    return f"{gpu.used_bytes / _GIB:.1f}/{gpu.total_bytes / _GIB:.1f} GiB"


def _busy(gpu: Gpu) -> str:
    return f"  busy {gpu.busy_percent} %" if gpu.busy_percent is not None else ""
