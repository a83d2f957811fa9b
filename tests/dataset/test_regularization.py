from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.dataset.regularization import used_repeats
from loratui.dataset.scan import Picture, Scan


def scanned(train: list[int], regularization: list[int]) -> Scan:
    """One picture for each number of repeats."""
    pictures = tuple(
        Picture(Path(f"{kind}{index}.png"), 8, 8, repeats, None, "", kind == "r")
        for kind, numbers in (("t", train), ("r", regularization))
        for index, repeats in enumerate(numbers)
    )
    return Scan(Path(), pictures, (), ())


def used(train: list[int], regularization: list[int]) -> list[int]:
    found = used_repeats(scanned(train, regularization))
    return [times for picture, times in found.items() if picture.is_regularization]


@pytest.mark.parametrize(
    ("train", "regularization", "expected"),
    [
        ([10], [], []),
        ([2, 2], [1, 1, 1, 1, 1], [1, 1, 1, 1]),  # the fifth is left out
        ([3, 2], [2, 2, 2, 2], [2, 2, 2]),  # 6 for 5: the overshoot stays
        ([10], [1, 1, 1], [4, 3, 3]),  # 3, then 7 more in turn
        ([32], [1] * 9, [4] * 5 + [3] * 4),
        ([10], [1, 5], [3, 7]),
        ([1], [100], [100]),
    ],
)
def test_regularization_by_hand(train: list[int], regularization: list[int], expected: list[int]) -> None:
    assert used(train, regularization) == expected


def test_training_pictures_keep_their_repeats_and_come_first() -> None:
    found = used_repeats(scanned([3, 1], [1]))
    assert list(found.values()) == [3, 1, 4]


def one_by_one(wanted: int, regularization: list[int]) -> list[int]:
    """The rule as words have it, one picture at a time."""
    result: list[int] = []
    for repeats in regularization:
        if sum(result) >= wanted:
            break
        result.append(repeats)
    turn = 0
    while result and sum(result) < wanted:
        result[turn % len(result)] += 1
        turn += 1
    return result


repeats = st.integers(1, 30)


@given(st.lists(repeats, min_size=1, max_size=10), st.lists(repeats, max_size=12))
def test_the_short_way_is_the_long_way(train: list[int], regularization: list[int]) -> None:
    result = used(train, regularization)
    assert result == one_by_one(sum(train), regularization)
    if regularization:
        assert sum(train) <= sum(result) < sum(train) + max(regularization)


def test_absurd_repeats_take_no_time() -> None:
    assert used([10**12], [1, 1]) == [5 * 10**11, 5 * 10**11]
