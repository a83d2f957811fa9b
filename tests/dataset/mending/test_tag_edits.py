"""Edits of one caption."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.dataset.mending import tag_edits
from loratui.dataset.mending.decoding import decode, one_line
from loratui.dataset.mending.tag_edits import Edit
from loratui.dataset.mending.tag_filter import same_tag


@pytest.mark.parametrize(
    ("edit", "before", "after"),
    [
        (tag_edits.add("ohwx", front=True), "a, b", "ohwx, a, b"),
        (tag_edits.add("ohwx, x", front=True), "a, X", "ohwx, a, X"),
        (tag_edits.add("z", front=False), "a, b, ", "a, b, z"),
        (tag_edits.add("z", front=False), "", "z"),
        (tag_edits.add("a b", front=True), "c, a_b", "c, a_b"),
        (tag_edits.add("ohwx", front=True), "A sentence. Two.", "ohwx, A sentence. Two."),
        (tag_edits.remove("b"), "a, b, c, B", "a, c"),
        (tag_edits.remove("*hair, hat"), "red hair, hat, hairpin", "hairpin"),
        (tag_edits.remove("nothing"), "a ,b", "a ,b"),
        (tag_edits.rename("a", "z"), "a, b, a", "z, b"),
        (tag_edits.rename("a", "b"), "a, b", "b"),
        (tag_edits.rename("a", "x, y"), "b, a", "b, x, y"),
        (tag_edits.rename("q", "x"), "a,b", "a,b"),
        (tag_edits.replace("girl", "woman"), "1girl, girl", "1woman, woman"),
        (tag_edits.dedupe, "a, b, A, a_b, a b", "a, b, a_b"),
        (tag_edits.dedupe, "a,b", "a,b"),
        (tag_edits.first("ohwx"), "a, ohwx, b", "ohwx, a, b"),
        (tag_edits.first("ohwx"), "a, ohwx woman, b", "ohwx woman, a, b"),
        (tag_edits.first("ohwx"), "a, ohwxy", "a, ohwxy"),
        (tag_edits.first("b"), "a b, b", "b, a b"),
        (tag_edits.lead("ohwx"), "a, b", "ohwx, a, b"),
        (tag_edits.lead("ohwx"), "a, ohwx", "ohwx, a"),
        (tag_edits.lead("ohwx"), "a photo of ohwx woman on a chair", "a photo of ohwx woman on a chair"),
        (tag_edits.spaces, "red_hair, ^_^", "red hair, ^_^"),
        (tag_edits.tidy, "  a ,, b  c,", "a, b c"),
        (tag_edits.tidy, "One.  Two.", "One. Two."),
    ],
)
def test_edits(edit: Edit, before: str, after: str) -> None:
    assert edit(before) == after
    assert edit(after) == after or edit is not tag_edits.dedupe


WORDS = st.text(alphabet="abAB_ ", min_size=1, max_size=4).filter(lambda word: word.strip(" _") != "")
TAGS = st.lists(WORDS, max_size=6)


@given(TAGS, WORDS)
def test_the_laws_of_edits(tags: list[str], word: str) -> None:
    text = tag_edits.join([tag.strip() for tag in tags])
    before = {same_tag(tag) for tag in tag_edits.split(text)}
    for front in (True, False):
        added = tag_edits.add(word, front=front)(text)
        assert {same_tag(tag) for tag in tag_edits.split(added)} == before | {same_tag(word)}
        assert tag_edits.add(word, front=front)(added) == added
    removed = tag_edits.remove(word)(text)
    assert {same_tag(tag) for tag in tag_edits.split(removed)} == before - {same_tag(word)}
    moved = tag_edits.first(word)(text)
    assert sorted(tag_edits.split(moved)) == sorted(tag_edits.split(text))
    assert {same_tag(tag) for tag in tag_edits.split(tag_edits.dedupe(text))} == before
    assert len(tag_edits.split(tag_edits.dedupe(text))) == len(before)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("é".encode(), "é"),
        (b"\xef\xbb\xbfa", "a"),
        ("é, 猫".encode("utf-16"), "é, 猫"),
        ("café".encode("cp1252"), "café"),
        (b"\xff\xfea", "ÿþa"),
        (b"", ""),
    ],
)
def test_encodings(data: bytes, text: str) -> None:
    assert decode(data).text == text


@given(st.binary(max_size=20))
def test_any_bytes_become_one_tidy_line(data: bytes) -> None:
    line = tag_edits.tidy(one_line(decode(data).text))
    assert len(line.splitlines()) <= 1 and line == line.strip()
    line.encode()


def test_lines_are_joined_by_commas() -> None:
    assert one_line("a, b,\r\n\n  c \rd") == "a, b, c, d"
