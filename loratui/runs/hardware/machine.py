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
from loratui.formats import hub_id
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
    hub_free_bytes: int | None = None
    """On the disk that models of the hub are fetched to; None where it is the same one."""

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
    home = places.home()
    measured = read_measurements(home / FILE_NAME)
    return Machine(
        facts, sentence, measured, free_bytes(home), price(), _free_elsewhere(hub_id.cache(), home)
    )


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or will be."""
    try:
        return shutil.disk_usage(_there(folder)).free
    except OSError:
        return 0


def _free_elsewhere(folder: Path, home: Path) -> int | None:
    try:
        same = _there(folder).stat().st_dev == _there(home).stat().st_dev
    except OSError:
        return None
    return None if same else free_bytes(folder)


def _there(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder


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
