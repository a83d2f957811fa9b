"""The GPUs in a few words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, plain

if TYPE_CHECKING:
    from loratui.runs.gpu import Gpu, GpuReading

_GIB = 1 << 30
_BAR = 16
_SHOWN = 4


def strip(reading: GpuReading | None) -> str:
    """All GPUs on one line; the sentence that says why there is none."""
    if reading is None:
        return ""
    if not reading.gpus:
        return plain(reading.sentence)
    return "   ".join(f"GPU {gpu.index} {_memory(gpu)}{_busy(gpu)}" for gpu in reading.gpus)


def block(reading: GpuReading | None, width: int) -> str:
    """The first GPUs, three lines each."""
    if reading is None:
        return ""
    if not reading.gpus:
        return plain(reading.sentence)
    signs, lines = glyphs(), []
    for gpu in reading.gpus[:_SHOWN]:
        full = min(_BAR, round(gpu.used_bytes / max(1, gpu.total_bytes) * _BAR))
        lines.append(clip(f"GPU {gpu.index}  {plain(gpu.name)}", width))
        lines.append(f"{signs.bar_full * full}{signs.bar_rest * (_BAR - full)} {_memory(gpu)}")
        hot = f"  {gpu.temperature} C" if gpu.temperature is not None else ""
        power = f"  {gpu.watts:.0f} W" if gpu.watts is not None else ""
        lines.append(f"{_busy(gpu).strip()}{hot}{power}")
    return "\n".join(lines)


def _memory(gpu: Gpu) -> str:
    return f"{gpu.used_bytes / _GIB:.1f}/{gpu.total_bytes / _GIB:.1f} GiB"


def _busy(gpu: Gpu) -> str:
    return f"  busy {gpu.busy_percent} %" if gpu.busy_percent is not None else ""
