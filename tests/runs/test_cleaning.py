"""Text from outside becomes plain lines, however it is cut."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.cleaning import LIMIT, Lines, Segments, clean

pieces = st.lists(
    st.sampled_from(
        [b"\r", b"\n", b"\r\n", b"\x1b[31m", b"\x1b]8;;file:///x\x1b\\", b"\x1b[A", b"\x07", b"\xff", b"\t"]
    )
    | st.binary(max_size=20)
    | st.text(max_size=10).map(str.encode),
    max_size=40,
)


@given(pieces, st.lists(st.integers(1, 7), min_size=1, max_size=20))
def test_cut_anywhere_is_the_same(parts: list[bytes], sizes: list[int]) -> None:
    data = b"".join(parts)
    whole = Segments()
    expected = list(whole.feed(data))
    cut, at, found = Segments(), 0, []
    for index in range(len(data) + 1):
        size = sizes[index % len(sizes)]
        found += list(cut.feed(data[at : at + size]))
        at += size
    assert found == expected
    assert cut.rest == whole.rest


@given(pieces)
def test_nothing_is_left_that_moves_a_cursor(parts: list[bytes]) -> None:
    for segment in Segments().feed(b"".join(parts) + b"\n"):
        assert not [letter for letter in segment.text if unicodedata.category(letter) == "Cc"]


def test_escape_sequences_go_and_words_stay() -> None:
    link = b"\x1b]8;id=1;file:///a\x1b\\link\x1b]8;;\x1b\\"
    raw = b"\x1b[1;31mred\x1b[0m " + link + b" \x1b]0;title\x07\xe5\xad\xa6 \x1b(Bend"
    assert clean(raw) == "red link 学 end"
    assert clean(b"safe\xe2\x80\xaetxt.exe \x9b31m") == "safetxt.exe �31m"


def test_a_line_without_end_takes_no_memory() -> None:
    lines = Lines()
    for _ in range(100):
        assert lines.feed(b"x" * 10_000) == []
    assert len(lines.current) == LIMIT
    assert lines.feed(b"\nnext\n") == ["x" * LIMIT, "next"]


def test_of_a_progress_bar_the_last_state_stays() -> None:
    lines = Lines()
    assert lines.feed(b"loading\n\r 0%|  | 0/2\r 50%|# | 1/2") == ["loading"]
    assert lines.current == " 50%|# | 1/2"
    assert lines.feed(b"\r100%|##| 2/2\r\nsaved\r\n") == ["100%|##| 2/2", "saved"]
    assert lines.current == ""
