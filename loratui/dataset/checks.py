"""The dataset check as a whole: read names, captions and pictures, and say what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from loratui.dataset import archives
from loratui.dataset.buckets import Size
from loratui.dataset.caption_checks import Captions, caption_findings, read_captions
from loratui.dataset.finding import Finding, in_order, number
from loratui.dataset.folder_checks import folder_findings
from loratui.dataset.picture_checks import Probes, picture_findings
from loratui.dataset.probe_cache import ProbeCache, cache_folder
from loratui.dataset.probing import Progress, probe
from loratui.dataset.set_checks import (
    bucket_findings,
    duplicate_findings,
    number_findings,
    sort_into_buckets,
)
from loratui.dataset.thresholds import DEFAULT_FAMILY
from loratui.dataset.tree import Kind, Tree, read_tree
from loratui.recipe.document import FamilyName, Purpose


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a set is checked against."""

    trigger: str = ""
    purpose: Purpose = "character"
    family: FamilyName | None = None
    """None: not known; then nothing is said that one family alone wants, and sizes are those of SD 1.5."""
    batch: int = 1
    regularization: Path | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found."""

    images: int
    """Pictures to train on, by their names."""
    captions: int
    """How many of them have a caption file."""
    kind: Kind
    """What shape of folder it is."""
    buckets: Mapping[Size, int]
    """Pictures in each bucket."""
    findings: tuple[Finding, ...]
    """Errors first."""

    @property
    def has_errors(self) -> bool:
        return any(finding.severity == "error" for finding in self.findings)


def check(
    source: Path,
    wishes: Wishes | None = None,
    *,
    cache: Path | None = None,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_gate: Callable[[Report], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Report:
    """Check a folder, or an archive of one.

    ``on_gate`` gets a first report as soon as names, captions and file headers are read, before any
    picture is decoded. ``cache`` is the folder for what was found out; None takes the user's own.

    Raises ``UserError`` when there is nothing to look at, ``probing.Cancelled`` when ``cancelled`` says so.
    """
    wishes = wishes or Wishes()
    if archives.is_archive(source):
        with archives.unpacked(source) as unpacked:
            return _check_archive(source, unpacked, wishes, on_progress, on_gate, cancelled)
    probes = ProbeCache(cache or cache_folder())
    try:
        return _check_folder(source, wishes, probes, on_progress, on_gate, cancelled)
    finally:
        probes.close()


def _check_folder(
    folder: Path,
    wishes: Wishes,
    cache: ProbeCache | None,
    on_progress: Callable[[Progress], None],
    on_gate: Callable[[Report], None],
    cancelled: Callable[[], bool],
) -> Report:
    tree = read_tree(folder, wishes.regularization)
    captions = read_captions(tree)
    # Names and captions do not change while the pictures are looked at.
    certain = [
        *folder_findings(tree),
        *caption_findings(captions, wishes.trigger, wishes.family),
        *number_findings(tree.root, len(tree.pictures), wishes.purpose),
    ]
    probes = probe(
        tree.every_picture,
        cache,
        on_progress=on_progress,
        on_gate=lambda seen: on_gate(_report(tree, captions, certain, seen, wishes)),
        cancelled=cancelled,
    )
    return _report(tree, captions, certain, probes, wishes)


def _report(tree: Tree, captions: Captions, certain: list[Finding], probes: Probes, wishes: Wishes) -> Report:
    family = wishes.family or DEFAULT_FAMILY
    training = {path: probes[path] for path in tree.pictures}
    findings = [
        *certain,
        *picture_findings(probes, family),
        *duplicate_findings(training),
        *bucket_findings(training, family, wishes.batch),
    ]
    buckets = {size: len(paths) for size, paths in sort_into_buckets(training, family).items()}
    return Report(len(tree.pictures), len(captions.of), tree.kind, buckets, in_order(findings))


def _check_archive(
    source: Path,
    unpacked: archives.Unpacked,
    wishes: Wishes,
    on_progress: Callable[[Progress], None],
    on_gate: Callable[[Report], None],
    cancelled: Callable[[], bool],
) -> Report:
    def named(report: Report) -> Report:
        """The same with the archive's own names."""
        findings = [_renamed(finding, unpacked.folder, source) for finding in report.findings]
        if unpacked.left_out:
            findings.append(
                Finding(
                    "junk_files",
                    "warning",
                    tuple(f"{source}/{name}" for name in unpacked.left_out),
                    f"{number(len(unpacked.left_out), 'entry').replace('entrys', 'entries')} of the archive"
                    " left out: links, devices, or names that point outside of it.",
                    "Look where this archive comes from; pictures need no such entries.",
                )
            )
        return replace(report, findings=in_order(findings))

    first = lambda report: on_gate(named(report))  # noqa: E731
    return named(_check_folder(unpacked.folder, wishes, None, on_progress, first, cancelled))


def _renamed(finding: Finding, folder: Path, archive: Path) -> Finding:
    prefix = str(folder)
    files = tuple(
        f"{archive}{name[len(prefix) :]}" if name.startswith(prefix) else name for name in finding.files
    )
    return replace(finding, files=files, fix=finding.fix.replace(prefix, str(archive)))
