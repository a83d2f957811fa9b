"""Every list that has a text in a line is found, and no pattern is passed over that would match."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.hints import matcher as hints
from loratui.runs.hints.pattern_analysis import is_anchored, required
from loratui.runs.hints.patterns import Finder
from loratui.runs.hints.text_index import TextIndex

_TEXTS = st.text(alphabet="abc ", min_size=4, max_size=7)


@given(st.lists(st.lists(_TEXTS, max_size=3), max_size=6), st.text(alphabet="abc ", max_size=40))
def test_the_lists_that_have_a_text_in_the_line_are_found(lists: list[list[str]], line: str) -> None:
    expected = [number for number, some in enumerate(lists) if not some or any(text in line for text in some)]
    assert TextIndex(lists).find(line) == expected


def test_what_a_pattern_requires_stands_in_whatever_it_matches() -> None:
    folder = Path(__file__).parent / "posted"
    lines = (folder / "messages.txt").read_text(encoding="utf-8").splitlines()
    lines = [line.partition(" | ")[2] for line in lines]
    matched = 0
    for row in hints.rules():
        for pattern in row.patterns:
            find, texts = Finder((pattern,)), required(pattern)
            for line in filter(find, lines):
                matched += 1
                assert not texts or any(text in line for text in texts), (row.key, pattern, line)
    assert matched > 100


def test_alternatives_and_groups_are_seen_through() -> None:
    assert required("^(?:One|Two) things|^other$") == {" things", "other"}
    assert required(r"^(?:alpha|omega)\d") == {"alpha", "omega"}
    assert required("(?:maybe )?x") == required("(?:alpha|be)") == frozenset()


def test_a_pattern_is_anchored_where_all_its_alternatives_are() -> None:
    assert is_anchored("^one|^two (?:or|and) three")
    assert not any(map(is_anchored, ("^one|two", "one", "", "(?:^one|^two)")))
