"""What is done to a caption each time it is shown."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from loratui.dataset.captions import CaptionRules, apply

CAPTION = "first, second, third, fourth"


def test_words_around_a_caption() -> None:
    rules = CaptionRules(prefix="a photo,", suffix="8k")
    assert apply(CAPTION, rules, Random(0)) == f"a photo, {CAPTION} 8k"
    assert apply("", rules, Random(0)) == "a photo, 8k"


def test_the_prefix_counts_among_the_tags_that_stay() -> None:
    rules = CaptionRules(shuffle=True, keep_tokens=1, prefix="ohwx,")
    assert {apply(CAPTION, rules, Random(seed)).split(", ")[0] for seed in range(9)} == {"ohwx"}


@given(st.integers(1, 5), st.integers(1, 40))
def test_every_so_many_epochs_there_is_none(every: int, epoch: int) -> None:
    found = apply(CAPTION, CaptionRules(dropout_every=every), Random(0), epoch)
    assert found == ("" if epoch % every == 0 else CAPTION)


def test_dropout_takes_its_share() -> None:
    random = Random(0)
    shown = [apply(CAPTION, CaptionRules(dropout=0.25), random) for _ in range(4000)]
    assert set(shown) == {"", CAPTION}
    assert 0.22 < shown.count("") / 4000 < 0.28


@given(st.integers(0, 4), st.booleans(), st.integers(0, 2**32))
def test_tags_drop_out_behind_those_that_stay(keep: int, shuffled: bool, seed: int) -> None:
    rules = CaptionRules(shuffle=shuffled, keep_tokens=keep, tag_dropout=0.5)
    tags = CAPTION.split(", ")
    found = apply(CAPTION, rules, Random(seed))
    left = found.split(", ") if found else []
    assert left[:keep] == tags[:keep]
    assert set(left) <= set(tags)
    assert len(left) == len(set(left))
