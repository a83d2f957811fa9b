"""Readers of growing files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from loratui.events import Planned, Record, StateChanged, Step, encode
from loratui.recipe import Recipe
from loratui.runs import lock, store
from loratui.runs.follow import CLIP, POLL_BYTES, LogTail, RecordReader, RunFollower
from loratui.runs.layout import write_status
from loratui.runs.process import ProcessIdentity


def line(seq: int, event: Step | StateChanged | Planned) -> bytes:
    return encode(Record(seq, 0.0, float(seq), event)) + b"\n"


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_only_whole_lines_are_read_and_torn_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    reader = RecordReader(path)
    assert reader.poll() == []
    first, second, third = (line(number, Step(number, 0.5)) for number in (1, 2, 3))
    append(path, first + second[:20])
    assert [record.seq for record in reader.poll()] == [1]
    assert reader.poll() == []
    append(path, second[20:] + second[:30] + b"\n" + third)
    assert [record.seq for record in reader.poll()] == [2, 3]


def test_a_follower_tells_a_live_run_from_a_lost_one(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    held = lock.hold(run.lock)
    follower = RunFollower(run)
    append(
        run.events, line(0, StateChanged("running")) + line(1, Planned(10, 1, 10, 10)) + line(2, Step(4, 0.5))
    )
    view = follower.poll()
    assert (view.state, view.step, view.total_steps) == ("running", 4, 10)
    status = store.read_status(run)
    assert status is not None
    write_status(run, msgspec.structs.replace(status, state="running", supervisor=_somebody()))
    assert follower.poll().state == "running"
    os.close(held)
    view = follower.poll()
    assert (view.state, view.step) == ("lost", 4)
    append(run.events, line(3, StateChanged("finished", "done")))
    assert follower.poll().state == "finished"


def test_a_supervisor_that_never_came_up_is_told_by_the_status(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    follower = RunFollower(run)
    assert follower.poll().state == "starting"
    write_status(run, store.Status("failed", "no Python"))
    assert (follower.poll().state, follower.poll().reason) == ("failed", "no Python")


def _somebody() -> ProcessIdentity:
    return ProcessIdentity(1, 1, "another boot")


def test_a_log_as_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    tail = LogTail(path)
    assert tail.poll() == []
    append(path, b"\x1b[32mone\x1b[0m\ntw")
    assert tail.poll() == ["one"]
    assert tail.current == "tw"
    append(path, b'o\n@loratui {"event":"step","step":1}\n\r1/9\r2/9\r')
    assert tail.poll() == ["two"]
    assert tail.current == "2/9"
    append(path, b'\r3/9@loratui {"event":"step","step":1}\n' + b"y" * 5000 + b"\n")
    shown = tail.poll()
    assert shown[0] == "3/9"
    assert len(shown[1]) == CLIP


def test_a_flood_is_skipped_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"old\n")
    tail = LogTail(path)
    assert tail.poll() == ["old"]
    append(path, b"".join(b"line %06d\n" % number for number in range(100_000)))
    shown = tail.poll()
    assert shown[0].startswith("… 937.") and shown[0].endswith("kB of log skipped")
    assert shown[-1] == "line 099999"
    assert all(text.startswith("line ") and len(text) == 11 for text in shown[1:])
    assert tail.poll() == []


def test_all_of_a_log_piece_by_piece(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"".join(b"line %06d\n" % number for number in range(60_000)))
    tail, lines = LogTail(path, first=None, skip=False), []
    while piece := tail.poll():
        assert len(piece) <= POLL_BYTES // 12 + 1
        lines += piece
    assert len(lines) == 60_000


def test_a_log_of_a_gibibyte_opens_at_once(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    with path.open("wb") as file:
        file.truncate(1 << 30)
        file.seek(0, os.SEEK_END)
        file.write(b"\nthe end\n")
    began = time.perf_counter()
    lines = LogTail(path).poll()
    assert time.perf_counter() - began < 0.2
    assert lines[0] == "… 1.1 GB of log skipped"
    assert lines[-1] == "the end"


def test_a_log_that_was_emptied_starts_over(tmp_path: Path) -> None:
    path = tmp_path / "output.log"
    path.write_bytes(b"one\ntwo\n")
    tail = LogTail(path)
    tail.poll()
    path.write_bytes(b"new\n")
    assert tail.poll() == ["new"]
