from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.dataset.captions import CaptionRules, apply, read_caption
from loratui.dataset.scan import Picture
from loratui.problems import UserError


def picture(caption: Path | None) -> Picture:
    return Picture(Path("a.png"), 8, 8, 1, caption, "hero cat", False)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a cat, sitting\n", "a cat, sitting"),
        (b"  a cat \t\nsecond line", "a cat"),
        (b"a cat\r\nsecond", "a cat"),
        (b"a cat\rsecond", "a cat"),
        ("猫\u2028dog\x0bbird".encode(), "猫\u2028dog\x0bbird"),
        (b"\nsecond", ""),
        (b"\n", ""),
    ],
)
def test_the_first_line_without_blanks(tmp_path: Path, data: bytes, expected: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(data)
    assert read_caption(picture(file)) == expected


def test_without_a_file_the_words_of_the_folder() -> None:
    assert read_caption(picture(None)) == "hero cat"


@pytest.mark.parametrize(
    ("data", "words"), [(b"", "empty"), (b"caf\xe9", "not UTF-8"), (b"fine\n\xff", "not UTF-8")]
)
def test_captions_on_which_training_ends(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(data)
    with pytest.raises(UserError, match=words) as caught:
        read_caption(picture(file))
    assert str(file) in str(caught.value)


def test_an_unshuffled_caption_stays_as_it_is() -> None:
    generator = Random(1)
    state = generator.getstate()
    assert apply("a ,b,,  c", CaptionRules(), generator) == "a ,b,,  c"
    assert generator.getstate() == state


tags = st.lists(st.text("abc ", max_size=4), min_size=1, max_size=8)


@given(tags, st.integers(0, 10), st.integers())
def test_shuffling_keeps_the_front_and_loses_no_tag(words: list[str], keep: int, seed: int) -> None:
    caption = ",".join(words)
    clean = [word.strip() for word in caption.strip().split(",")]
    result = apply(caption, CaptionRules(True, keep), Random(seed)).split(", ")
    assert result[:keep] == clean[:keep]
    assert sorted(result) == sorted(clean)


def test_one_shuffle_of_the_tags_is_all_that_is_drawn() -> None:
    ours, theirs = Random(7), Random(7)
    rest = ["b", "c", "d", "e"]
    theirs.shuffle(rest)
    assert apply("a, b, c, d, e", CaptionRules(True, 1), ours) == ", ".join(["a", *rest])
    assert ours.getstate() == theirs.getstate()


def test_every_line_is_kept_for_wildcards(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b" one \r\n\n  two\n")
    assert read_caption(picture(file), all_lines=True) == "one\ntwo"


def test_wildcards_draw_a_line_and_words_and_leave_doubled_braces() -> None:
    rules = CaptionRules(wildcards=True)
    seen = {apply("a {red|blue} {{x}}\nb", rules, Random(seed)) for seed in range(40)}
    assert seen == {"a red {x}", "a blue {x}", "b"}


def test_separators() -> None:
    kept = CaptionRules(shuffle=True, keep_separator="|||", keep_tokens=9)
    shown = {apply("a, b ||| c, d ||| z", kept, Random(seed)) for seed in range(20)}
    assert shown == {"a, b, c, d, z", "a, b, d, c, z"}
    assert apply("a ||| b", CaptionRules(keep_separator="|||"), Random(0)) == "a ||| b"
    together = CaptionRules(shuffle=True, separator=";", secondary_separator="+")
    assert {apply("a+b;c", together, Random(seed)) for seed in range(9)} == {"a;b, c", "c, a;b"}
