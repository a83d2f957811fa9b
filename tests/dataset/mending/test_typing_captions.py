"""What stands between typing and a step: captions edited by hand, and a filter that may be no filter yet."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.dataset import history
from loratui.dataset.history import Written
from loratui.dataset.mending.entries import Entries, read_entries
from loratui.dataset.mending.hand_edits import HandEdits
from loratui.dataset.mending.tag_filter import And, Or, Term, parse
from loratui.dataset.mending.typed_filter import TypedFilter
from loratui.problems import UserError
from tests.support.pictures import png_header


@pytest.fixture
def entries(tmp_path: Path) -> Entries:
    folder = tmp_path / "set" / "1_x"
    folder.mkdir(parents=True)
    for name in "abc":
        (folder / f"{name}.png").write_bytes(png_header(32, 32))
    (folder / "a.txt").write_text("one,  two\n")
    (folder / "b.txt").write_text("three")
    return read_entries(history.begin(tmp_path / "set"))


def test_captions_by_hand_are_a_plan_of_what_differs(entries: Entries) -> None:
    edits = HandEdits()
    a, b, c = entries.all
    edits.put(a, "one, two")
    assert not edits and edits.text(a) == a.text
    edits.put(b, "four\nlines")
    edits.put(c, "new")
    assert b in edits and edits.text(b) == "four lines" and len(edits) == 2
    assert [(one.before, one.after) for one in edits.changes(entries)] == [
        ("three", "four lines"),
        (None, "new"),
    ]
    edits.put(b, "three")
    edits.put(a, "")
    plan = edits.plan(entries.base)
    # 0 bytes would end sd-scripts.
    assert plan.put == {"1_x/c.txt": Written(b"new"), "1_x/a.txt": Written(b"\n")}
    edits.clear()
    assert not edits and edits.text(c) == ""


def test_the_last_filter_that_could_be_read_counts() -> None:
    typed = TypedFilter("tag:a OR tag:b")
    typed.type("tag:a OR")
    assert "something is missing" in str(typed.problem) and typed.text == "tag:a OR tag:b"
    either = Or((Term("tag", "a"), Term("tag", "b")))
    assert typed.filter == either
    assert parse(typed.narrowed(Term("tag", "c OR d"))) == And((either, Term("tag", "c OR d")))
    with pytest.raises(UserError):
        TypedFilter("(")


def test_nothing_typed_shows_everything() -> None:
    typed = TypedFilter("tag:a")
    typed.type("tag:")
    typed.type("  ")
    assert typed.filter is None
    assert typed.problem is None
    assert parse(typed.narrowed(Term("tag", "c"))) == Term("tag", "c")
