"""The filter language: what it finds, and where it says that it cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.dataset.caption_text import Caption
from loratui.dataset.mending import tag_filter
from loratui.dataset.mending.entries import Entry
from loratui.dataset.mending.tag_filter import And, Filter, Not, Or, Term, fits, parse
from loratui.problems import UserError

PICTURES = {
    "10_hero/a.png": "ohwx, red hair, 1girl, smile",
    "10_hero/b.png": "ohwx, Red_Hair, hat",
    "10_hero/IMG_1.png": "1girl, blue hair",
    "5_x/c.png": "A long sentence about a red hat, " + "word " * 80,
    "5_x/d.png": "",
    "d(1).png": "miku (vocaloid), re:zero, [brackets], salt and pepper",
}
ENTRIES = [Entry(name, "", Caption(Path(name), text)) for name, text in PICTURES.items()]


def found(text: str, entries: list[Entry] = ENTRIES) -> str:
    wanted = parse(text)
    return "".join(entry.stem[0] for entry in entries if fits(wanted, entry))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tag:red hair", "ab"),
        ("tag:red_hair", "ab"),
        ("tag:RED HAIR AND tag:hat", "b"),
        ("tag:red hair tag:hat", "b"),
        ("tag:red hair AND NOT tag:hat", "a"),
        ("tag:*hair", "abI"),
        ("tag:?girl OR tag:hat", "abI"),
        ("tag:hat OR tag:1girl AND tag:smile", "ab"),
        ("(tag:hat OR tag:1girl) AND tag:red hair", "ab"),
        ("NOT (tag:hat OR tag:1girl)", "cdd"),
        ("NOT NOT tag:hat", "b"),
        ("first:ohwx", "ab"),
        ("caption:red hat", "c"),
        ("sentence about", "c"),
        ("missing:", "d"),
        ("missing:ohwx", "Icdd"),
        ("missing: OR tag:smile", "ad"),
        ("tokens:>75", "c"),
        ("tokens:0", "d"),
        ("tokens: <= 5 NOT missing:", "I"),
        ("tags:>=4", "ad"),
        ("tags:!=0 AND tags:<3", "Ic"),
        ("folder:5_x", "cd"),
        ("folder:10_*", "abI"),
        ("name:IMG_*", "I"),
        ("name:5_x/c.png", "c"),
        ('tag:"miku (vocaloid)"', "d"),
        ("tag:miku (vocaloid)", None),
        ("tag:re:zero", "d"),
        ("tag:[brackets]", "d"),
        ("tag:[b*", "d"),
        ("tag:salt and pepper", "d"),
        ("name:d(1)", "d"),
        ('"red hat"', "c"),
    ],
)
def test_what_a_filter_shows(text: str, names: str | None) -> None:
    if names is None:  # a parenthesis groups, so this asks for a caption with "vocaloid" too
        assert parse(text) == And((Term("tag", "miku"), Term("caption", "vocaloid")))
    else:
        assert found(text) == names


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "the filter is empty"),
        ("   ", 1, "the filter is empty"),
        ("tag:a AND", 10, "something is missing"),
        ("AND tag:a", 1, "AND stands alone"),
        ("tag:a OR OR tag:b", 10, "OR stands alone"),
        ("(tag:a", 1, "this parenthesis is never closed"),
        ("tag:a )", 7, "this parenthesis was never opened"),
        ("tag: AND tag:b", 5, "tag: has no value"),
        ('tag:"a', 5, "this quote is never closed"),
        ("tga:red", 1, "Did you mean 'tag'"),
        ("tag:a AND colour:red", 11, "colour: is no key"),
        ("tokens:many", 8, "many is no number"),
        ("tokens:>", 8, "> is no number"),
        ("tags:1.5", 6, "1.5 is no number"),
        ("()", 2, "stands alone"),
        ('""', 1, "these quotes are empty"),
        ("(" * 60 + "a" + ")" * 60, 51, "nested too deeply"),
        ("NOT " * 60 + "a", 201, "nested too deeply"),
    ],
)
def test_an_error_points_at_its_place(text: str, column: int, message: str) -> None:
    with pytest.raises(UserError) as error:
        parse(text)
    words = str(error.value)
    assert f"column {column}:" in words and message in words
    shown, caret = words.splitlines()[1:3]
    assert (
        caret.index("^") == shown.index(text.strip() or shown.strip() or " ") + column - 1 or not text.strip()
    )


VALUES = st.text(min_size=1, max_size=8).filter(lambda text: text.strip() != "")
TERMS = st.one_of(
    st.builds(Term, st.sampled_from(["tag", "first", "caption", "folder", "name"]), VALUES),
    st.builds(Term, st.just("missing"), st.one_of(st.just(""), VALUES)),
    st.builds(
        Term,
        st.sampled_from(["tokens", "tags"]),
        st.integers(0, 999).map(str),
        st.sampled_from([">=", "<=", "!=", ">", "<", "="]),
    ),
)


def _lists(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[tuple[Filter, ...]]:
    return st.lists(inner, min_size=2, max_size=3).map(tuple)


FILTERS: st.SearchStrategy[Filter] = st.recursive(
    TERMS,
    lambda inner: st.one_of(
        st.builds(Not, inner), st.builds(And, _lists(inner)), st.builds(Or, _lists(inner))
    ),
    max_leaves=6,
)


@given(FILTERS)
def test_what_is_written_out_is_read_back(wanted: Filter) -> None:
    assert parse(str(wanted)) == wanted


@given(st.text(alphabet='tagmissn:()"\\ANDORT>75 ,_*?[]\n', max_size=30))
def test_any_text_is_a_filter_or_an_error_with_a_column(text: str) -> None:
    try:
        wanted = parse(text)
    except UserError as error:
        assert "column " in str(error)
    else:
        assert parse(str(wanted)) == wanted
        for entry in ENTRIES:
            fits(wanted, entry)


@given(FILTERS, FILTERS)
def test_the_algebra_is_boolean(one: Filter, other: Filter) -> None:
    for entry in ENTRIES:
        yes, no = fits(one, entry), fits(other, entry)
        assert fits(And((one, other)), entry) == (yes and no)
        assert fits(Or((one, other)), entry) == (yes or no)
        assert fits(Not(one), entry) != yes


def test_every_key_is_named_in_the_description() -> None:
    assert tag_filter.__doc__ is not None
    assert all(f"{key}:" in tag_filter.__doc__ for key in tag_filter.KEYS)
