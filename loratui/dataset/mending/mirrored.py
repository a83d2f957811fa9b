"""Pictures that are the same in a mirror. Both stay unless a person says otherwise: one may be there on
purpose, for a left and a right."""

from __future__ import annotations

from collections.abc import Sequence

from loratui.dataset.mending.duplicates import Group, Member, Picture, best_first, bits, find_groups
from loratui.dataset.pictures.near import BITS, groups, near_pairs

_MIRRORED = "\0"
"""In front of a name for its mirror image; no path holds it."""


def all_groups(found: Sequence[Picture], percent: int, *, drop_mirrored: bool = False) -> tuple[Group, ...]:
    """The groups of duplicates, then those of mirrored copies among what stays of them. Of a mirrored group
    all are kept, or with ``drop_mirrored`` the best alone. At 100 there is no telling: only bytes count."""
    plain = find_groups(found, percent)
    if percent == 100:
        return plain
    gone = {member.picture.name for group in plain for member in group.members if not member.keep}
    stays = [picture for picture in found if picture.name not in gone and picture.hash is not None]
    return (*plain, *_mirrored(stays, percent, drop_mirrored))


def _mirrored(found: Sequence[Picture], percent: int, drop: bool) -> list[Group]:
    hashes: dict[str, int] = {}
    named: dict[str, Picture] = {}
    for picture in found:
        if picture.hash is not None and picture.mirrored is not None:
            named[picture.name] = picture
            hashes[picture.name] = picture.hash
            hashes[_MIRRORED + picture.name] = picture.mirrored
    # A mirror image sorts first. Two of them repeat what their originals say.
    pairs = [
        (one[1:], other)
        for one, other, _ in near_pairs(hashes, bits(percent))
        if one.startswith(_MIRRORED) and not other.startswith(_MIRRORED) and one[1:] < other
    ]
    made = (_group([named[name] for name in names], drop) for names in groups(pairs))
    return sorted(made, key=lambda group: group.members[0].picture.name)


def _group(members: Sequence[Picture], drop: bool) -> Group:
    best, *rest = best_first(members)
    return Group(
        "mirrored",
        (
            Member(best, True, "", 100, "the best of them"),
            *(Member(one, not drop, best.name, _alike(one, best), "mirrored") for one in rest),
        ),
    )


def _alike(one: Picture, other: Picture) -> int:
    """How much of a hash is as in the other's mirror image, or in the other, in percent."""
    assert one.mirrored is not None and one.hash is not None and other.hash is not None
    least = min((one.mirrored ^ other.hash).bit_count(), (one.hash ^ other.hash).bit_count())
    return 100 * (BITS - least) // BITS
