"""Asking a running trainer for a checkpoint or for pictures."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.problems import UserError
from loratui.runs import launch
from loratui.runs.layout import Run, ask_trainer, take_requests
from loratui.trainer.control import Asked


def test_the_trainer_finds_what_it_is_asked_for_once(tmp_path: Path) -> None:
    run = Run("one", tmp_path)
    run.control.mkdir()
    asked = Asked(run.asked)
    assert asked.take() == frozenset()
    ask_trainer(run, "save")
    ask_trainer(run, "save")
    ask_trainer(run, "sample")
    assert take_requests(run) == []  # nothing of the supervisor's
    assert asked.take() == {"save", "sample"}
    assert asked.take() == frozenset()
    ask_trainer(run, "save")
    assert Asked(run.asked).take() == frozenset()  # another training began


def test_a_run_that_has_ended_cannot_be_asked(tmp_path: Path) -> None:
    run = Run("one", tmp_path)
    with pytest.raises(UserError, match="not running"):
        launch.request_now(run, "save")
    assert not run.asked.exists()
