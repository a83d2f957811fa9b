"""Events survive a crash in the middle of a line, and a full disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loratui.engines.builtin_log import BuiltinReader
from loratui.events import Step
from loratui.recipe import Recipe
from loratui.runs import store
from loratui.runs.files import open_for_append
from loratui.runs.follow import RecordReader
from loratui.runs.supervision.eventlog import EventLog
from loratui.runs.supervision.progress import Progress


def steps(path: Path) -> list[int]:
    return [record.event.step for record in RecordReader(path).poll() if isinstance(record.event, Step)]


def test_a_torn_last_line_is_closed_first(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    log.add(Step(1))
    log.close()
    path.write_bytes(path.read_bytes() + b'{"seq":1,"t":17')
    log = EventLog(path, 2)
    log.add(Step(2))
    log.close()
    assert steps(path) == [1, 2]


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.symlink_to("/dev/full")
    log = EventLog(path)
    log.add(Step(1))
    error = log.flush()
    assert error is not None and error.errno == 28
    path.unlink()
    log._descriptor = open_for_append(path)  # space was made
    log.add(Step(2))
    assert log.flush() is None
    assert steps(path) == [1, 2]


def test_a_write_cut_short_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "events.jsonl"
    log, real = EventLog(path), os.write
    monkeypatch.setattr("loratui.runs.supervision.eventlog.os.write", lambda fd, data: real(fd, data[:70]))
    for number in range(5):
        log.add(Step(number, 0.25))
    assert log.flush() is not None
    while log.flush() is not None:
        pass
    log.close()
    assert steps(path) == [0, 1, 2, 3, 4]


def test_what_is_kept_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loratui.runs.supervision.eventlog.KEPT_LINES", 10)
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    for number in range(100):
        log.add(Step(number))
    log.close()
    assert steps(path) == [0, *range(91, 100)]


def test_the_status_says_that_the_disk_is_full(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    progress = Progress(run, store.Status("starting"), BuiltinReader(), 0)
    progress._log._descriptor = os.open("/dev/full", os.O_WRONLY)
    progress.set_state("running")
    status = store.read_status(run)
    assert status is not None
    assert status.state == "running"
    assert "No space left on device" in status.reason


class BrokenReader:
    def feed(self, data: bytes) -> list[Step]:
        raise RuntimeError("a fault of ours")


def test_a_fault_in_a_reader_does_not_end_the_run(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    run.output.write_bytes(b"No data found. Please verify arguments\n")
    progress = Progress(run, store.Status("starting"), BrokenReader(), 0)  # type: ignore[arg-type]
    progress.read_rest()
    progress.close()
    text = run.events.read_text()
    assert "no longer read this log" in text
    assert "no_data" in text
