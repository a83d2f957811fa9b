"""What this machine has, for advice: its GPU, what it has measured, the disk, the price."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from loratui import places
from loratui.advice.facts import MachineFacts
from loratui.advice.measured import FILE_NAME, Measurement, read_measurements
from loratui.advice.pace import price_per_hour
from loratui.atomic import new_file
from loratui.problems import UserError
from loratui.runs.hardware import gpu

PRICE_FILE = "price_per_hour"


@dataclass(frozen=True, slots=True)
class Machine:
    """One look at it."""

    gpu: MachineFacts | None
    sentence: str
    """Why there is no GPU."""
    measurements: tuple[Measurement, ...]
    free_bytes: int
    """On the disk that holds loratui's home."""
    price: float | None
    """An hour, in whatever money the person thinks."""

    @property
    def gpu_name(self) -> str:
        """As measurements are kept under; empty without one."""
        return self.gpu.gpu if self.gpu else ""


def gpu_facts() -> tuple[MachineFacts | None, str]:
    """The GPU a training would take, or the sentence that says why there is none. The first call loads the
    driver's library."""
    reading = gpu.sample()
    chosen = gpu.first_visible(reading, os.environ)
    if chosen is None:
        return None, reading.sentence or gpu.NO_GPU
    free = (chosen.total_bytes - chosen.used_bytes) / 2**30
    return MachineFacts(chosen.name, free, chosen.capability), ""


def look() -> Machine:
    """This machine now."""
    facts, sentence = gpu_facts()
    return Machine(
        facts, sentence, read_measurements(places.home() / FILE_NAME), free_bytes(places.home()), price()
    )


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or will be."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return 0


def price() -> float | None:
    """From ``LORATUI_PRICE``, else as it was entered once; None when nobody has said."""
    try:
        said = price_per_hour(None)
        if said is not None:
            return said
        text = (places.home() / PRICE_FILE).read_text(encoding="utf-8")
        return price_per_hour(text)
    except (OSError, UnicodeDecodeError, UserError):
        return None


def remember_price(text: str) -> float | None:
    """Keep a price per hour for the next time; empty text forgets it.

    Raises ``UserError`` for what is no price, and when the disk refuses.
    """
    value = price_per_hour(text)
    with new_file(places.home() / PRICE_FILE, "Make room on this disk.") as temporary:
        temporary.write_text("" if value is None else f"{value:g}\n", encoding="utf-8")
    return value
