"""Base models to choose from: those on this disk, and those of the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loratui import demo
from loratui.advice.facts import MachineFacts
from loratui.advice.memory import estimate, fits
from loratui.families import FAMILIES
from loratui.models import catalog, fetching
from loratui.models.catalog import Entry
from loratui.recipe import Recipe, change
from loratui.runs.hardware.machine import Machine, look
from loratui.tui.wizard.answers.model_facts import found_base_models

_FIRST = ("sdxl", "sd15")
"""What a person without any model begins with: the larger one where the GPU has room for it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One row."""

    model: str
    """What a recipe would say: a path, or a name of the catalogue."""
    title: str
    family: str
    entry: Entry | None = None
    """Its row of the catalogue, where it has one."""
    here: bool = False
    """Whether all of it is on this disk."""
    needs_gib: float | None = None
    """The least a LoRA of it takes of a GPU; None for a family without sizes."""
    fits: bool | None = None
    is_demo: bool = False

    @property
    def engine(self) -> str:
        """The engine that trains it, builtin first; empty when none does."""
        family = FAMILIES.get(self.family)
        return "" if family is None else "builtin" if family.builtin else "kohya"


@dataclass(frozen=True, slots=True)
class Offers:
    """All of them, the machine they were looked up for, and the one to begin with."""

    rows: tuple[Offer, ...]
    machine: Machine
    first: str


def offers() -> Offers:
    """Look around: headers of local files, the catalogue, the GPU. Takes a moment; touches no network."""
    machine = look()
    gpu = machine.gpu
    here = [_local(str(found.path), found.family or "", gpu) for found in found_base_models()]
    paths = {offer.model for offer in here}
    others = [
        _of_entry(entry, gpu)
        for entry in catalog.catalogue().values()
        if str(catalog.path_of(entry)) not in paths
    ]
    real = [offer for offer in here if not offer.is_demo]
    fitting = [offer for offer in real if offer.fits is not False]
    first = next((offer.model for offer in (*fitting, *real)), "") or _without_any(others, gpu)
    return Offers((*here, *others), machine, first)


def _without_any(others: list[Offer], gpu: MachineFacts | None) -> str:
    by_name = {offer.model: offer for offer in others}
    for name in _FIRST:
        offer = by_name.get(name)
        if offer is not None and gpu is not None and offer.fits:
            return name
    return _FIRST[-1]


def _local(path: str, family: str, gpu: MachineFacts | None) -> Offer:
    entry = next((one for one in catalog.catalogue().values() if str(catalog.path_of(one)) == path), None)
    is_demo = demo.is_model(path)
    title = "demo (tiny, random weights)" if is_demo else entry.title if entry else Path(path).name
    needs, fit = (None, True) if is_demo else _needs(family, gpu)
    here = entry is None or not catalog.missing(entry)
    return Offer(path, title, family, entry, here, needs, fit, is_demo)


def _of_entry(entry: Entry, gpu: MachineFacts | None) -> Offer:
    needs, fit = _needs(entry.family, gpu)
    return Offer(entry.name, entry.title, entry.family, entry, False, needs, fit)


def _needs(family: str, gpu: MachineFacts | None) -> tuple[float | None, bool | None]:
    """Memory of a usual small LoRA: batch 1, gradient checkpointing, rank 16."""
    facts = FAMILIES.get(family)
    if facts is None:
        return None, None
    recipe = change(
        Recipe(),
        {
            "base.family": family,
            "launch.engine": "builtin" if facts.builtin else "kohya",
            "training.resolution": [facts.resolution, facts.resolution],
            "training.gradient_checkpointing": True,
            "training.precision": "bf16",
            "kohya.sdpa": True,
            "kohya.cache_text_encoder_outputs": True,
        },
    )
    found = estimate(recipe, family)
    return found.estimate_gib, None if gpu is None else fits(found, gpu.free_gib)


def state_of(offer: Offer) -> str:
    """On the disk, on its way, or how large: a few words."""
    if offer.here:
        return "on disk"
    entry = offer.entry
    if entry is None:
        return "on disk"
    told = fetching.status(entry.name)
    if told is not None and told.under_way:
        return f"{100 * told.done // told.total} % fetched" if told.total else "being fetched"
    if told is not None and told.state == "broken":
        return "broke off"
    if told is not None and told.state == "failed":
        return "failed"
    return f"{entry.total_gb:.1f} GB" if entry.total_gb else "size unknown"
