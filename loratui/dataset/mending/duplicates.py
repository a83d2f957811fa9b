"""Groups of pictures that are the same or nearly so, the best of each proposed to be kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from loratui.dataset.checking import thresholds
from loratui.dataset.checking.finding import number
from loratui.dataset.checking.picture_checks import size
from loratui.dataset.history import Kept, Plan, Source
from loratui.dataset.mending.entries import Entries
from loratui.dataset.pictures.near import groups, near_pairs
from loratui.dataset.pictures.probe_cache import Probe

PERCENTS = (100, 90, 80, 70)
"""Where a person walks down: same bytes; then equal bits of the hashes. At 90 % no two different
pictures of half a million pairs met by chance, at 80 % five pairs of drawings; 70 % is for looking at, since
2,600 of them met there."""

_HALF = 64
_AS_SHARP = 0.9
"""Of another's sharpness: what is missing then is JPEG's own blocks and noise, not the picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """What tells which of several is the best."""

    name: str
    width: int
    height: int
    sharpness: float
    """Variance of the Laplacian, comparable within a group."""
    captioned: bool
    bytes: int
    digest: str
    """Equal for equal bytes."""
    hash: int | None
    """pHash and dHash, 128 bits; None where it says nothing."""
    mirrored: int | None = None
    """The hash of its mirror image."""
    twins: tuple[str, ...] = ()
    """The same bytes under the same file name in other folders: one picture with several captions. They stay
    or go with it."""

    @property
    def worth(self) -> tuple[int, float, bool, int, str]:
        """Sorted by this the best comes last: the largest, the sharpest, captioned; then the larger file, and
        by name so that the order is always the same."""
        return self.width * self.height, round(self.sharpness), self.captioned, self.bytes, self.name


@dataclass(frozen=True, slots=True)
class Member:
    """A picture in a group."""

    picture: Picture
    keep: bool
    like: str
    """The better one it resembles; empty for the best."""
    percent: int
    """How much of the hash is as in that one; 100 for those kept and for the same bytes."""
    reason: str
    """Why it is kept or not, in a few words."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that hang together; the best first."""

    kind: Literal["exact", "near", "mirrored"]
    members: tuple[Member, ...]

    def kept(self) -> tuple[Member, ...]:
        return tuple(member for member in self.members if member.keep)


def pictures(entries: Entries, probes: Mapping[str, Probe]) -> tuple[Picture, ...]:
    """The training pictures that can be opened, from what was seen of them, by name.
    Of ``Picture.twins`` only the first is taken."""
    found: dict[tuple[str, str], Picture] = {}
    for entry in entries.all:
        probe = probes.get(entry.name)
        if probe is None or probe.pixels is None or probe.pixels.fault:
            continue
        width, height = size(probe)
        says = probe.pixels.range >= thresholds.FLAT_RANGE
        picture = Picture(
            entry.name,
            width,
            height,
            probe.pixels.sharpness,
            bool(entry.text),
            entries.base.listing.files[entry.name].size,
            probe.digest or entry.name,
            probe.pixels.hash if says else None,
            probe.pixels.mirrored_hash if says else None,
        )
        mark = (entry.name.rpartition("/")[2], picture.digest)
        first = found.setdefault(mark, picture)
        if first is not picture:
            found[mark] = replace(first, twins=(*first.twins, entry.name))
    return tuple(found.values())


def bits(percent: int) -> int:
    """How many of 128 bits may differ: so much of each of two hashes of 64."""
    return 2 * (_HALF * (100 - percent) // 100)


def find_groups(found: Sequence[Picture], percent: int) -> tuple[Group, ...]:
    """Groups of pictures alike to so much of their hash, with a proposal for each: the best is kept, and
    whatever resembles no kept one to that degree. At 100 only the same bytes count."""
    named = {picture.name: picture for picture in found}
    alike: dict[str, list[Picture]] = {}
    for picture in found:
        alike.setdefault(picture.digest, []).append(picture)
    pairs = [(same[0].name, other.name) for same in alike.values() for other in same[1:]]
    if percent < 100:
        firsts = {same[0].name: same[0].hash for same in alike.values() if same[0].hash is not None}
        pairs += [(one, other) for one, other, _ in near_pairs(firsts, bits(percent))]
    made = (_group([named[name] for name in names], percent) for names in groups(pairs))
    return tuple(sorted(made, key=lambda group: (group.kind, group.members[0].picture.name)))


def best_first(members: Sequence[Picture]) -> list[Picture]:
    """By worth, where of pictures of one size all count as equally sharp that hardly differ from the
    sharpest."""
    sharpest: dict[int, float] = {}
    for picture in members:
        area = picture.width * picture.height
        sharpest[area] = max(sharpest.get(area, 0.0), picture.sharpness)

    def worth(picture: Picture) -> tuple[int, float, bool, int, str]:
        area, _, captioned, size_in_bytes, name = picture.worth
        return area, min(picture.sharpness, _AS_SHARP * sharpest[area]), captioned, size_in_bytes, name

    return sorted(members, key=worth, reverse=True)


def _group(members: Sequence[Picture], percent: int) -> Group:
    ordered = best_first(members)
    within = bits(percent)
    kept = _Kept()
    result: list[Member] = []
    for picture in ordered:
        near = kept.nearest(picture)
        if near is not None and near[1] <= within:
            result.append(_dropped(picture, *near))
        else:
            kept.add(picture)
            result.append(Member(picture, True, "", 100, ""))
    best = _why(ordered)
    result = [
        replace(member, reason=best if at == 0 else "differs more from those kept") if member.keep else member
        for at, member in enumerate(result)
    ]
    same = len({picture.digest for picture in members}) == 1
    return Group("exact" if same else "near", tuple(result))


class _Kept:
    """The pictures of a group that stay, for a quick look at which of them another is most like."""

    def __init__(self) -> None:
        self._by_digest: dict[str, Picture] = {}
        self._pictures: list[Picture] = []
        self._hashes: list[int] = []

    def add(self, picture: Picture) -> None:
        self._by_digest[picture.digest] = picture
        if picture.hash is not None:
            self._pictures.append(picture)
            self._hashes.append(picture.hash)

    def nearest(self, picture: Picture) -> tuple[Picture, int] | None:
        """The one with the fewest other bits, and how many they are."""
        same = self._by_digest.get(picture.digest)
        if same is not None:
            return same, 0
        if picture.hash is None or not self._hashes:
            return None
        # The maps run in C, for groups of thousands.
        distances = list(map(int.bit_count, map(picture.hash.__xor__, self._hashes)))
        least = min(distances)
        return self._pictures[distances.index(least)], least


def _dropped(picture: Picture, like: Picture, distance: int) -> Member:
    if picture.digest == like.digest:
        return Member(picture, False, like.name, 100, "the same bytes")
    percent = 100 * (2 * _HALF - distance) // (2 * _HALF)
    if picture.width * picture.height < like.width * like.height:
        why = "smaller"
    elif picture.sharpness < _AS_SHARP * like.sharpness:
        why = "less sharp"
    elif like.captioned and not picture.captioned:
        why = "no caption"
    else:
        why = "no better"
    return Member(picture, False, like.name, percent, why)


def _why(ordered: Sequence[Picture]) -> str:
    first, second = ordered[0], ordered[1]
    if first.width * first.height > second.width * second.height:
        return "the largest"
    if _AS_SHARP * first.sharpness > second.sharpness:
        return "the sharpest"
    if first.captioned and not second.captioned:
        return "has a caption"
    return "as good as the others"


def plan_dedupe(entries: Entries, found: Sequence[Group], keep: Collection[str] | None = None) -> Plan:
    """Leave out what is not kept: by the groups' proposals, or ``keep``, names of the pictures that stay.

    A kept picture without a caption takes over that of the one left out that is most like it.
    """
    by_name = {entry.name: entry for entry in entries.all}
    stays = {
        member.picture.name: member.keep if keep is None else member.picture.name in keep
        for group in found
        for member in group.members
    }
    members = {member.picture.name: member.picture for group in found for member in group.members}
    left_out = [picture for name, picture in members.items() if not stays[name]]
    gone = {name for picture in left_out for name in (picture.name, *picture.twins)}
    needed = {entry.caption_name for entry in entries.all if entry.name not in gone}
    put: dict[str, Source] = {}
    for group in found:
        kept = [by_name[member.picture.name] for member in group.members if stays[member.picture.name]]
        spare = [by_name[member.picture.name] for member in group.members if not stays[member.picture.name]]
        written = next((entry for entry in spare if entry.text), None)
        for entry in kept[:1]:
            if not entry.text and written is not None:
                put[entry.caption_name] = Kept(written.caption_name)
    captions = {by_name[name].caption_name for name in gone if by_name[name].caption is not None} - needed
    losing = sum(any(not stays[member.picture.name] for member in group.members) for group in found)
    words = f"{number(len(left_out), 'duplicate')} left out of {number(losing, 'group')}"
    if put:
        words += f", {number(len(put), 'caption')} passed on to the picture kept"
    return Plan(entries.base, "dedupe", words, put, frozenset(gone | captions))
