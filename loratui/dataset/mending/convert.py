"""Formats and pixels: what the trainer passes over, refuses, or sees otherwise than a person does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loratui.dataset.checking.finding import number
from loratui.dataset.checking.picture_checks import usable
from loratui.dataset.history import Base, Kept, Made, Plan, Source
from loratui.dataset.mending.flatten import JPEG_QUALITY, Format, openers, opens, save_flat
from loratui.dataset.mending.looking import look_at
from loratui.dataset.names import split_suffix, stem_of, suffix_of
from loratui.dataset.pictures.probe_cache import Probe
from loratui.dataset.pictures.probing import Progress
from loratui.dataset.tree import CAPTION_SUFFIXES, VIDEO_SUFFIXES, read_tree

Reason = Literal["ending", "format", "rotation", "alpha", "cmyk", "16bit", "frames", "broken"]
REASONS: Mapping[Reason, str] = {
    "ending": "the ending in lower case",
    "format": "a format the trainer passes over",
    "rotation": "turned by EXIF alone",
    "alpha": "transparent parts",
    "cmyk": "colours of print",
    "16bit": "16 bits a channel",
    "frames": "an animation: the first frame",
    "broken": "cannot be opened, left out",
}

_PLAIN = {".jpe": ".jpg", ".jfif": ".jpg"}
_RENAMED = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", *_PLAIN})


@dataclass(frozen=True, slots=True)
class Conversion:
    """What is done to one file."""

    name: str
    target: str
    """Its new name; empty when it is left out."""
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class ConvertPlan:
    """A plan, and what of it a person wants to see."""

    plan: Plan
    conversions: tuple[Conversion, ...]
    left_alone: tuple[str, ...]
    """Passed over by the trainer, and not to be opened here: films, and formats without a decoder."""
    recoded: int = 0
    """JPEGs that stay JPEGs: decoded and encoded once more, at a loss."""

    @property
    def cost(self) -> str:
        """What is lost, in words; empty where nothing is."""
        if not self.recoded:
            return ""
        count = number(self.recoded, "JPEG")
        return f"{count} encoded once more (quality {JPEG_QUALITY}): a loss no eye sees; PNG has none"


def plan_conversion(
    base: Base,
    *,
    background: str = "white",
    form: Format | None = None,
    only: frozenset[Reason] = frozenset(REASONS),
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> ConvertPlan:
    """Look at every picture of a set. ``form`` None: a JPEG stays one (``JPEG_QUALITY``), everything else
    becomes a PNG, without loss. Raises ``probing.Cancelled`` and ``UserError``."""
    openers()
    tree = read_tree(base.root)
    known = base.listing.files
    taken = [name for path in tree.every_picture if (name := _name(base, path)) in known]
    passed = [name for path in tree.ignored if (name := _name(base, path)) in known]
    probes = look_at(base, taken, on_progress, cancelled)
    found: list[Conversion] = []
    alone: list[str] = []
    put: dict[str, Source] = {}
    drop: set[str] = set()
    names = set(known)

    def add(name: str, suffix: str, reasons: tuple[Reason, ...], source: Source) -> None:
        target = _free(name, suffix, names - {name})
        names.add(target)
        put[target] = source
        if target != name:
            drop.add(name)
            _carry_captions(known, name, target, put)
        found.append(Conversion(name, target, reasons))

    for name in taken:
        probe, suffix = probes[name], suffix_of(name)
        if not usable(probe):
            if "broken" in only:
                drop.add(name)
                drop.update(_captions_of(known, name, taken))
                found.append(Conversion(name, "", ("broken",)))
            continue
        reasons = tuple(reason for reason in _reasons(probe) if reason in only)
        if reasons:
            chosen = form or ("jpg" if probe.header.kind == "jpeg" else "png")
            ending = suffix if _is_same(suffix, chosen) else f".{chosen}"
            add(name, ending, reasons, _made(base.root / name, chosen, background))
    for name in passed:
        suffix = suffix_of(name)
        lower = suffix.lower()
        if lower in _RENAMED and opens(base.root / name):
            if "ending" in only:
                add(name, _PLAIN.get(lower, lower), ("ending",), Kept(name))
        elif lower in VIDEO_SUFFIXES or not opens(base.root / name):
            alone.append(name)
        elif "format" in only:
            chosen = form or "png"
            add(name, f".{chosen}", ("format",), _made(base.root / name, chosen, background))
    counts = Counter(reason for conversion in found for reason in conversion.reasons)
    words = "; ".join(f"{count:,} x {REASONS[reason]}" for reason, count in counts.items())
    plan = Plan(
        base, "convert", f"{number(len(found), 'picture')}: {words or 'nothing'}", put, frozenset(drop)
    )
    recoded = sum(form in (None, "jpg") and _is_recoded(one, probes.get(one.name)) for one in found)
    return ConvertPlan(plan, tuple(sorted(found, key=lambda one: one.name)), tuple(alone), recoded)


def _is_recoded(one: Conversion, probe: Probe | None) -> bool:
    return bool(one.target) and probe is not None and probe.header.kind == "jpeg"


def _reasons(probe: Probe) -> list[Reason]:
    header = probe.header
    tests: tuple[tuple[Reason, bool], ...] = (
        ("rotation", header.orientation != 1),
        ("alpha", probe.pixels is not None and probe.pixels.transparent),
        ("cmyk", header.cmyk),
        ("16bit", header.deep != ""),
        ("frames", header.animated),
    )
    return [reason for reason, holds in tests if holds]


def _made(source: Path, form: Format, background: str) -> Made:
    return Made(lambda target: save_flat(source, target, form, background))


def _is_same(suffix: str, form: Format) -> bool:
    return suffix.lower() == f".{form}" or (form == "jpg" and suffix.lower() == ".jpeg")


def _free(name: str, suffix: str, others: set[str]) -> str:
    """A name with another ending that shares its stem with no other picture."""
    stem, old = split_suffix(name)
    pictures = {stem_of(other) for other in others if _is_picture(other)}
    for mark in ("", f"_{old[1:].lower()}", *(f"_{old[1:].lower()}{count}" for count in range(2, 1000))):
        if stem + mark not in pictures and stem + mark + suffix not in others:
            return stem + mark + suffix
    return stem + suffix


def _is_picture(name: str) -> bool:
    from loratui.dataset.layout import is_picture_name

    return is_picture_name(name.rpartition("/")[2])


def _carry_captions(known: Mapping[str, object], name: str, target: str, put: dict[str, Source]) -> None:
    """Under a new stem the caption goes along."""
    old, new = stem_of(name), stem_of(target)
    for suffix in CAPTION_SUFFIXES:
        if old != new and old + suffix in known and new + suffix not in known:
            put[new + suffix] = Kept(old + suffix)


def _captions_of(known: Mapping[str, object], name: str, pictures: list[str]) -> list[str]:
    """Captions that are this picture's alone."""
    stem = stem_of(name)
    if sum(stem_of(other) == stem for other in pictures) > 1:
        return []
    return [stem + suffix for suffix in CAPTION_SUFFIXES if stem + suffix in known]


def _name(base: Base, path: Path) -> str:
    return str(path)[len(str(base.root)) :].lstrip("/")
