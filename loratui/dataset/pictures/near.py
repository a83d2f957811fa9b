"""Which of many hashes are nearly alike: by chunks of bits, so that most pairs are never compared.

Two hashes that differ in at most d bits are equal in at least one of any d + 1 chunks they are cut
into (pigeonhole), so only hashes that share a chunk need comparing. Nothing is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations

from loratui.dataset.pictures.near_wide import every_pair

BITS = 128

_SHARED = 4
"""A pair found by a chunk costs so many times as much as one of all pairs compared in turn; chunks too short
are shared by too many."""


def near_pairs(hashes: Mapping[str, int], within: int) -> Iterator[tuple[str, str, int]]:
    """Every pair of names whose hashes differ in at most ``within`` bits, with the difference, in no
    particular order; each pair once, the smaller name first."""
    names: dict[int, list[str]] = {}
    for name, value in hashes.items():
        names.setdefault(value, []).append(name)
    for equals in names.values():
        for left, right in combinations(sorted(equals), 2):
            yield left, right, 0
    for first, second, distance in _different(list(names), within):
        for one in names[first]:
            for other in names[second]:
                yield min(one, other), max(one, other), distance


def _different(values: Sequence[int], within: int) -> Iterator[tuple[int, int, int]]:
    chunks = within + 1
    if within >= BITS or _SHARED * chunks > 1 << BITS // chunks:
        yield from every_pair(values, within)
        return
    # Every chunks-th bit: neighbouring bits of a hash resemble each other, and would fill few chunks.
    cut = [_cut(value, chunks) for value in values]
    for number in range(chunks):
        alike: dict[str, list[int]] = {}
        for at, parts in enumerate(cut):
            alike.setdefault(parts[number], []).append(at)
        for members in alike.values():
            for index, at in enumerate(members):
                value, parts = values[at], cut[at]
                for other in members[index + 1 :]:
                    distance = (value ^ values[other]).bit_count()
                    if distance <= within and not _earlier(parts, cut[other], number):
                        yield value, values[other], distance


def _cut(value: int, chunks: int) -> list[str]:
    bits = format(value, f"0{BITS}b")
    return [bits[start::chunks] for start in range(chunks)]


def _earlier(one: Sequence[str], other: Sequence[str], number: int) -> bool:
    """Whether the pair already came up under an earlier chunk."""
    return any(one[at] == other[at] for at in range(number))


def groups(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """What hangs together by pairs, each group sorted, the groups in order."""
    root: dict[str, str] = {}

    def find(name: str) -> str:
        while root.setdefault(name, name) != name:
            root[name] = name = root[root[name]]
        return name

    for one, other in pairs:
        # The smaller name leads, so that the order of pairs changes nothing.
        low, high = sorted((find(one), find(other)))
        root[high] = low
    members: dict[str, list[str]] = {}
    for name in root:
        members.setdefault(find(name), []).append(name)
    return sorted(tuple(sorted(group)) for group in members.values())
