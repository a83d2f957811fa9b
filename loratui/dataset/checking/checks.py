"""The dataset check as a whole: look at names, captions and pictures, then say what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from loratui.dataset import archives
from loratui.dataset.bucket_use import BucketUse, bucket_uses, bucketing
from loratui.dataset.buckets import Bucketing
from loratui.dataset.checking.caption_checks import Captions, caption_findings, read_captions
from loratui.dataset.checking.finding import Finding, in_order, number
from loratui.dataset.checking.folder_checks import folder_findings
from loratui.dataset.checking.mending_commands import with_commands
from loratui.dataset.checking.picture_checks import Probes, picture_findings
from loratui.dataset.checking.set_checks import bucket_findings, number_findings
from loratui.dataset.checking.thresholds import DEFAULT_FAMILY
from loratui.dataset.history.where import locate
from loratui.dataset.layout import VARIANTS
from loratui.dataset.names import folder_of
from loratui.dataset.pictures.probe_cache import Probe, ProbeCache, cache_folder
from loratui.dataset.pictures.probing import Progress, probe
from loratui.dataset.pictures.twins import Twins, exact_twins, find_twins, twin_findings
from loratui.dataset.scan import Source
from loratui.dataset.tree import Kind, Tree, read_sources, read_tree
from loratui.recipe.document import FamilyName, Purpose

Stage = Literal["names", "files", "pixels", "done"]
"""What is known: names and captions; what the bytes of some files say, too; of all files; everything."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a set is checked against."""

    trigger: str = ""
    purpose: Purpose = "character"
    family: FamilyName | None = None
    """None: not known; then nothing is said that one family alone wants, and sizes are those of SD 1.5."""
    batch: int = 1
    bucketing: Bucketing | None = None
    """None takes the family's own."""
    shapes: tuple[tuple[Bucketing, int], ...] = ()
    """Those of dataset_config's datasets, and their batch sizes."""


@dataclass(frozen=True, slots=True)
class _Archive:
    """An archive whose files have lain in a folder."""

    path: Path
    folder: Path
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a set so far. Reports follow from it without a look at the disk."""

    tree: Tree
    captions: Captions
    probes: Probes
    stage: Stage
    twins: Twins = field(default_factory=Twins)
    archive: _Archive | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    images: int
    """Pictures to train on, by their names."""
    captions: int
    """How many of them have a caption file."""
    kind: Kind
    """What shape of folder it is."""
    buckets: tuple[BucketUse, ...]
    """Those that hold a picture, in order of dataset, width, then height."""
    findings: tuple[Finding, ...]
    """Errors first."""
    stage: Stage = "done"

    @property
    def has_errors(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)


def check(
    source: Path,
    wishes: Wishes | None = None,
    regularization: Path | None = None,
    datasets: Sequence[Sequence[Source]] = (),
    *,
    cache: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Report:
    """Check a folder, an archive of one, or the folders that a dataset_config names. Raises like
    ``look_at``."""
    seen = look_at(
        source, regularization, datasets, cache=cache, on_progress=on_progress, cancelled=cancelled
    )
    return report(seen, wishes or Wishes())


def look_at(
    source: Path,
    regularization: Path | None = None,
    datasets: Sequence[Sequence[Source]] = (),
    *,
    cache: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_seen: Callable[[Seen], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Seen:
    """Look at everything in a folder, or an archive of one, and its regularization pictures; or in the
    folders of ``datasets``, which ``source`` names.

    ``on_seen`` gets what is known at once (names and captions), in under a second (the headers read by
    then), before any picture is decoded, and from time to time until the end. ``cache`` is the folder for
    what was found out; None takes the user's own.

    Raises ``UserError`` when there is nothing to look at, ``probing.Cancelled`` when ``cancelled`` says so.
    """
    if archives.is_archive(source):
        with archives.unpacked(source) as unpacked:
            archive = _Archive(source, unpacked.folder, unpacked.left_out)
            tree = read_tree(archive.folder, regularization)
            return _look_at(tree, None, archive, on_progress, on_seen, cancelled)
    probes = ProbeCache(cache or cache_folder())
    try:
        tree = read_sources(source, datasets) if datasets else read_tree(source, regularization)
        return _look_at(tree, probes, None, on_progress, on_seen, cancelled)
    finally:
        probes.close()


def _look_at(
    tree: Tree,
    cache: ProbeCache | None,
    archive: _Archive | None,
    on_progress: Callable[[Progress], None],
    on_seen: Callable[[Seen], None],
    cancelled: Callable[[], bool],
) -> Seen:
    seen = Seen(tree, read_captions(tree), {}, "names", archive=archive)
    on_seen(seen)

    def news(stage: Literal["files", "pixels"], probes: Mapping[Path, Probe]) -> None:
        twins = Twins(exact_twins(_compared(tree, probes))) if stage == "pixels" else Twins()
        on_seen(replace(seen, probes=probes, stage=stage, twins=twins))

    probes = probe(tree.every_picture, cache, on_progress=on_progress, on_news=news, cancelled=cancelled)
    return replace(seen, probes=probes, stage="done", twins=find_twins(_compared(tree, probes)))


def report(seen: Seen, wishes: Wishes) -> Report:
    """What is to be said of what was seen."""
    tree, family = seen.tree, wishes.family or DEFAULT_FAMILY
    shapes = wishes.shapes or ((wishes.bucketing or bucketing(family), wishes.batch),)
    sorted_in = [
        (_training(tree, seen.probes, number if wishes.shapes else None), *shape)
        for number, shape in enumerate(shapes)
    ]
    # Half the headers would say nothing of buckets.
    sizes_known = seen.stage in ("pixels", "done")
    findings = [
        *folder_findings(tree),
        *caption_findings(seen.captions, wishes.trigger, wishes.family),
        *number_findings(tree.root, len(tree.pictures), wishes.purpose),
        *picture_findings(seen.probes, family),
        *twin_findings(seen.twins),
        *(finding for one in sorted_in if sizes_known for finding in bucket_findings(*one)),
    ]
    if tree.kind == "config":
        findings = [_by_its_folder(finding, tree, wishes.trigger) for finding in findings]
    elif seen.archive is None:
        findings = with_commands(findings, locate(tree.root).source, wishes.trigger)
    else:
        findings = [*(_renamed(finding, seen.archive) for finding in findings), *_left_out(seen.archive)]
    return Report(
        len(tree.pictures),
        len(seen.captions.of),
        tree.kind,
        tuple(use for probes, rules, _ in sorted_in for use in bucket_uses(probes, rules)),
        in_order(findings),
        seen.stage,
    )


def _training(tree: Tree, probes: Probes, dataset: int | None = None) -> Probes:
    """Of one of the datasets, or of all."""
    if dataset is None:
        return {path: probes[path] for path in tree.pictures if path in probes}
    groups = [group for group in tree.groups if group.dataset == dataset and not group.is_regularization]
    return {path: probes[path] for group in groups for path in group.pictures if path in probes}


def _by_its_folder(finding: Finding, tree: Tree, trigger: str) -> Finding:
    """With the command for the one folder that all of its files lie in; what concerns several has none."""
    folders = {str(group.folder) for group in tree.groups}
    within = {name if name in folders else folder_of(name) for name in finding.files}
    if len(within) != 1 or not within <= folders:
        return finding
    return with_commands([finding], locate(Path(within.pop())).source, trigger)[0]


def _compared(tree: Tree, probes: Probes) -> Probes:
    """Among which twins are looked for: a set that shows each picture three times on purpose has it once."""
    groups = [group for group in tree.groups if not group.is_regularization]
    if not {group.class_tokens for group in groups}.issuperset(VARIANTS):
        return _training(tree, probes)
    others = [group for group in groups if group.class_tokens not in VARIANTS[1:]]
    return {path: probes[path] for group in others for path in group.pictures if path in probes}


def _renamed(finding: Finding, archive: _Archive) -> Finding:
    """The same with the archive's own names."""
    prefix = str(archive.folder)
    files = tuple(
        f"{archive.path}{name[len(prefix) :]}" if name.startswith(prefix) else name for name in finding.files
    )
    return replace(finding, files=files, fix=finding.fix.replace(prefix, str(archive.path)))


def _left_out(archive: _Archive) -> list[Finding]:
    if not archive.left_out:
        return []
    entries = number(len(archive.left_out), "entry").replace("entrys", "entries")
    return [
        Finding(
            "junk_files",
            "warning",
            tuple(f"{archive.path}/{name}" for name in archive.left_out),
            f"{entries} of the archive left out: links, devices, or names that point outside of it.",
            "Look where this archive comes from; pictures need no such entries.",
        )
    ]
