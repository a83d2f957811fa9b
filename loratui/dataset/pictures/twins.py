"""Which pictures of a set are the same, nearly the same, or the same in a mirror."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loratui.dataset.checking import thresholds
from loratui.dataset.checking.finding import Finding
from loratui.dataset.checking.picture_checks import Probes
from loratui.dataset.pictures.near import groups, near_pairs

Groups = Sequence[tuple[str, ...]]

_MIRRORED = "\0"
"""In front of a name for its mirror image; no path holds it."""


@dataclass(frozen=True, slots=True)
class Twins:
    """Groups of paths, each sorted."""

    exact: Groups = ()
    """The same bytes."""
    near: Groups = ()
    """Hashes that hardly differ; of files with the same bytes only the first counts."""
    mirrored: Groups = ()
    """The same, of which one is mirrored."""


def exact_twins(probes: Probes) -> list[tuple[str, ...]]:
    """Files with the same content."""
    alike: dict[str, list[str]] = {}
    for path, probe in probes.items():
        if probe.digest:
            alike.setdefault(probe.digest, []).append(str(path))
    return sorted(tuple(sorted(paths)) for paths in alike.values() if len(paths) > 1)


def find_twins(probes: Probes, within: int = thresholds.NEAR_BITS) -> Twins:
    """All three kinds; hashes that differ in at most ``within`` of 128 bits count as near."""
    exact = exact_twins(probes)
    again = {path for group in exact for path in group[1:]}
    hashes: dict[str, int] = {}
    for path, probe in probes.items():
        pixels, name = probe.pixels, str(path)
        if pixels is None or pixels.fault or pixels.range < thresholds.FLAT_RANGE or name in again:
            continue
        hashes[name] = pixels.hash
        hashes[_MIRRORED + name] = pixels.mirrored_hash
    near: list[tuple[str, str]] = []
    turned: list[tuple[str, str]] = []
    for one, other, _ in near_pairs(hashes, within):
        # A mirror image sorts first. Two of them repeat what their originals say.
        if other.startswith(_MIRRORED):
            continue
        if not one.startswith(_MIRRORED):
            near.append((one, other))
        elif one[1:] < other:
            turned.append((one[1:], other))
    found = groups(near)
    together = {name: number for number, group in enumerate(found) for name in group}
    # What is near already, mirrored or not, is symmetric.
    turned = [pair for pair in turned if together.get(pair[0], -1) != together.get(pair[1], -2)]
    return Twins(exact, found, groups(turned))


def twin_findings(twins: Twins) -> list[Finding]:
    """One finding for each group."""
    return [
        *(
            Finding(
                "duplicate_exact",
                "warning",
                group,
                f"{len(group):,} files are the same picture, byte for byte: it counts {len(group):,} times.",
                "Keep one of them; repeats are the way to show a picture more often.",
            )
            for group in twins.exact
        ),
        *(
            Finding(
                "duplicate_near",
                "warning",
                group,
                f"{len(group):,} pictures are nearly the same (at least 90 % of their hash bits): the LoRA"
                " memorises them instead of learning.",
                "Keep the largest and sharpest of them.",
            )
            for group in twins.near
        ),
        *(
            Finding(
                "duplicate_near",
                "info",
                group,
                f"{len(group):,} pictures are the same but mirrored: fine on purpose (flip_aug does it"
                " without files), else one is left over.",
                "Keep one of them, above all when what they show has a left and a right.",
            )
            for group in twins.mirrored
        ),
    ]
