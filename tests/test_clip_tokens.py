"""The pure-Python count of CLIP tokens against the tokenizer that trains."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loratui.formats import clip_tokens
from loratui.trainer.captions.tokenizer import clip_tokenizer, mended


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a cat", 2),
        ("ohwx, 1girl, solo", 6),
        ("it's 2026!!", 7),
        ("  blanks\t\n only between  ", 3),
        ("<|endoftext|> cat", 7),
    ],
)
def test_known_counts(text: str, tokens: int) -> None:
    assert clip_tokens.count(text) == len(clip_tokenizer().tokens(text)) == tokens


WORDS = st.sampled_from(
    ["1girl", "long_hair", "ohwx", "don't", "猫", "Ünïcode", "½", "résumé", "😀", "e\u0301", "..."]
)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8", max_codepoint=0x2FF)) | st.lists(WORDS).map(", ".join))
def test_any_text_counts_the_same(text: str) -> None:
    assert clip_tokens.count(mended(text)) == len(clip_tokenizer().tokens(text))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("the woman’s “red” dress", 'the woman\'s "red" dress'),
        ("\ufeffohwx, 1girl", "ohwx, 1girl"),
        ("ｆｕｌｌ ｗｉｄｔｈ ﬁsh", "full width fish"),
        ("salt &amp; pepper", "salt & pepper"),
        ("a\x1fcat", "acat"),
        ("ΣΑΣ", "σας"),
    ],
)
def test_text_is_read_as_clip_was_taught_to(written: str, read: str) -> None:
    assert clip_tokenizer().tokens(written) == clip_tokenizer().tokens(read)


def test_a_long_caption() -> None:
    text = ", ".join(["red hat", "blue eyes", "standing on one leg"] * 60)
    assert clip_tokens.count(text) == len(clip_tokenizer().tokens(text)) > 225
