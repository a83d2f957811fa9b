"""Notes on a run."""

from __future__ import annotations

import stat
from typing import Any

import pytest

from loratui import demo
from loratui.problems import UserError
from loratui.runs import store
from loratui.runs.notes import LONGEST, notes_file, read_notes, write_notes


def test_notes_come_back_and_are_private(home: Any) -> None:
    run = store.create(demo.recipe(), "builtin", 10)
    assert read_notes(run) == ""
    write_notes(run, "  epoch 6 looks best\nhands are bad \n")
    assert read_notes(run) == "epoch 6 looks best\nhands are bad\n"
    assert stat.S_IMODE(notes_file(run).stat().st_mode) == 0o600


def test_a_novel_is_refused_and_the_old_notes_stay(home: Any) -> None:
    run = store.create(demo.recipe(), "builtin", 10)
    write_notes(run, "old")
    with pytest.raises(UserError, match="Shorten"):
        write_notes(run, "x" * (LONGEST + 1))
    assert read_notes(run) == "old\n"
