"""The duplicate search against comparing every pair."""

from __future__ import annotations

import random
import time
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loratui.dataset.pictures import near_wide
from loratui.dataset.pictures.near import BITS, groups, near_pairs

HASHES = st.integers(0, 2**BITS - 1)


@st.composite
def crowds(draw: st.DrawFn) -> dict[str, int]:
    """Hashes of which many lie close to each other."""
    centres = draw(st.lists(HASHES, min_size=1, max_size=4))
    found: dict[str, int] = {}
    for number in range(draw(st.integers(0, 12))):
        value = draw(st.sampled_from(centres))
        for bit in draw(st.sets(st.integers(0, BITS - 1), max_size=16)):
            value ^= 1 << bit
        found[f"p{number:02}"] = value
    return found


def every_pair(hashes: dict[str, int], within: int) -> set[tuple[str, str, int]]:
    pairs = combinations(sorted(hashes), 2)
    distances = ((one, other, (hashes[one] ^ hashes[other]).bit_count()) for one, other in pairs)
    return {pair for pair in distances if pair[2] <= within}


@settings(deadline=None)
@given(crowds(), st.integers(0, 40))
def test_no_pair_is_missed_invented_or_said_twice(hashes: dict[str, int], within: int) -> None:
    found = list(near_pairs(hashes, within))
    assert len(found) == len(set(found))
    assert set(found) == every_pair(hashes, within)


@settings(deadline=None)
@given(crowds(), st.integers(0, 24), st.randoms())
def test_the_order_changes_nothing(hashes: dict[str, int], within: int, dice: random.Random) -> None:
    shuffled = list(hashes.items())
    dice.shuffle(shuffled)
    first = groups((one, other) for one, other, _ in near_pairs(hashes, within))
    pairs = [(one, other) for one, other, _ in near_pairs(dict(shuffled), within)]
    dice.shuffle(pairs)
    assert groups(pairs) == first


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh")), max_size=12))
def test_groups_part_what_does_not_hang_together(pairs: list[tuple[str, str]]) -> None:
    found = groups(pairs)
    members = [name for group in found for name in group]
    assert sorted(members) == sorted({name for pair in pairs for name in pair})
    assert all(any(one in group and other in group for group in found) for one, other in pairs)


def test_ten_thousand_take_seconds() -> None:
    dice = random.Random(5)
    hashes = {f"p{number}": dice.getrandbits(BITS) for number in range(10_000)}
    for number in range(0, 1000, 2):
        value = hashes[f"p{number}"]
        for bit in dice.sample(range(BITS), 12):
            value ^= 1 << bit
        hashes[f"p{number + 1}"] = value
    start = time.process_time()
    found = {(one, other) for one, other, _ in near_pairs(hashes, 12)}
    assert time.process_time() - start < 5
    wanted = {tuple(sorted((f"p{number}", f"p{number + 1}"))) for number in range(0, 1000, 2)}
    assert found == wanted


@settings(deadline=None)
@given(crowds(), st.integers(1, 40))
def test_comparing_all_in_either_way_is_the_same(hashes: dict[str, int], within: int) -> None:
    pytest.importorskip("numpy")
    values = list(dict.fromkeys(hashes.values()))
    one_by_one = {frozenset(pair) for pair in near_wide._one_by_one(values, within)}
    assert {frozenset(pair) for pair in near_wide._by_numpy(values, within)} == one_by_one
