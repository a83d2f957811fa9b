"""Run folders and the list of them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from loratui import places
from loratui.cli.runs import runs as list_runs
from loratui.problems import UserError
from loratui.recipe import Output, Recipe, Steps, loads
from loratui.runs import lock, store
from loratui.runs.layout import request, reserve_status, take_requests, write_files, write_status
from loratui.runs.liveness import STALE, STARTING, is_alive
from loratui.runs.process import ProcessIdentity, identify, is_running


def named(recipe: Recipe, name: str) -> Recipe:
    return msgspec.structs.replace(recipe, output=Output(name=name))


def aged(run: store.Run, seconds: float, **values: object) -> None:
    status = store.read_status(run)
    assert status is not None
    write_status(run, msgspec.structs.replace(status, **values))
    status = store.read_status(run)
    assert status is not None
    old = msgspec.structs.replace(status, updated=status.updated - seconds)
    run.status.write_bytes(msgspec.json.encode(old))


def test_a_new_run(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin", 40)
    assert run.folder == home / "runs" / run.id
    assert run.id.endswith("-hero")
    assert loads(run.recipe.read_text()) == recipe
    summary = store.summary(run)
    assert (summary.name, summary.engine, summary.state, summary.total_steps) == (
        "hero",
        "builtin",
        "starting",
        40,
    )
    assert summary.model == "base.safetensors"
    assert run.folder.stat().st_mode & 0o777 == 0o700
    assert run.recipe.stat().st_mode & 0o777 == 0o600


def test_a_target_is_the_planned_count(home: Path, recipe: Recipe) -> None:
    recipe = msgspec.structs.replace(recipe, steps=Steps(target=2000))
    assert store.summary(store.create(recipe, "kohya")).total_steps == 2000


def test_runs_of_one_second_get_names_of_their_own(home: Path, recipe: Recipe) -> None:
    runs = [store.create(recipe, "builtin") for _ in range(4)]
    assert len({run.id for run in runs}) == 4
    assert store.all_runs() == runs[::-1]


@pytest.mark.parametrize("name", ["../../evil", "a b/c", "名前", "x" * 100, "..."])
def test_any_output_name_gives_a_plain_folder(home: Path, recipe: Recipe, name: str) -> None:
    run = store.create(named(recipe, name), "builtin")
    assert run.folder.parent == home / "runs"
    assert len(run.id) <= 60
    assert store.find(run.id) == run


def test_finding_a_run(home: Path, recipe: Recipe) -> None:
    hero = store.create(recipe, "builtin")
    style = store.create(named(recipe, "ink-style"), "builtin")
    newer = store.create(recipe, "builtin")
    assert store.find() == newer
    assert store.find(hero.id) == hero
    assert store.find("hero") == newer
    assert store.find("ink-style") == style
    assert store.find(str(style.folder)) == style
    assert store.find(style.id[: len(style.id) - 3]) == style
    with pytest.raises(UserError, match="could be"):
        store.find(hero.id[:8])
    with pytest.raises(UserError, match=f"Did you mean {style.id}"):
        store.find("ink-stile")
    waiting = store.create(recipe, "builtin", 9, state="queued")
    assert store.find() == newer and store.find(waiting.id) == waiting


def test_no_run_at_all(home: Path) -> None:
    assert store.all_runs() == []
    with pytest.raises(UserError, match="no run yet"):
        store.find("hero")


def test_what_is_not_a_run_breaks_no_list(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    runs = places.runs_folder()
    (runs / "empty").mkdir()
    (runs / "note.txt").write_text("mine")
    for name, text in {"half": '{"id": "ha', "foreign": "[1, 2]", "other": '{"id": 3}'}.items():
        (runs / name).mkdir()
        (runs / name / "run.json").write_text(text)
    (runs / "dangling").symlink_to("/nowhere")
    assert store.all_runs() == [run]
    run.status.write_text("{")
    assert store.summary(run).state == "lost"
    with pytest.raises(UserError, match="not a run's folder"):
        store.summary(store.Run("empty", runs / "empty"))


def test_a_run_is_alive_as_long_as_its_lock_is_held(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    aged(run, STARTING + 1)
    assert store.state(run)[0] == "lost"
    held = lock.hold(run.lock)
    aged(run, 9999, state="running", supervisor=ProcessIdentity(1, 1, "a boot long past"))
    assert store.state(run) == ("running", "")
    os.close(held)
    assert store.state(run)[0] == "lost"
    aged(run, 9999, state="finished")
    assert store.state(run)[0] == "finished"


def test_without_flock_heartbeat_and_process_decide(
    home: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOTSUP, "not supported")

    run = store.create(recipe, "builtin")
    monkeypatch.setattr("loratui.runs.lock.fcntl.flock", refuse)
    os.close(lock.hold(run.lock))
    assert lock.is_held(run.lock) is None
    gone = msgspec.structs.replace(identify(os.getpid()), ticks=1)
    for seconds, supervisor, alive in (
        (STALE - 5, gone, True),
        (STALE + 5, gone, False),
        (STALE + 5, identify(os.getpid()), True),
        (STALE + 5, msgspec.structs.replace(identify(os.getpid()), boot_id="another"), False),
    ):
        aged(run, seconds, state="running", supervisor=supervisor)
        assert is_alive(run, store.read_status(run)) is alive


def test_a_reader_does_not_keep_a_supervisor_out(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    os.close(lock.hold(path))
    assert lock.is_held(path) is False
    first = lock.hold(path)
    assert lock.is_held(path) is True
    with pytest.raises(lock.LockHeldError):
        lock.hold(path, patience=0.05)
    os.close(first)
    os.close(lock.hold(path))


def test_processes_are_told_apart() -> None:
    me = identify(os.getpid())
    assert me.ticks > 0 and is_running(me)
    assert not is_running(msgspec.structs.replace(me, ticks=me.ticks + 1))
    assert not is_running(msgspec.structs.replace(me, boot_id="yesterday"))
    assert not is_running(ProcessIdentity(2**22 + 1, 5, me.boot_id))


def test_requests_are_taken_once_and_in_order(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    request(run, "stop")
    request(run, "kill")
    (run.control / ".stop-half.json").write_text("{")
    (run.control / "note.txt").write_text("")
    assert take_requests(run) == ["stop", "kill"]
    assert take_requests(run) == []


def test_an_engine_cannot_write_elsewhere(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    for name in ("../config.toml", "/etc/x", "status.json", "run.json"):
        with pytest.raises(ValueError, match="cannot be written"):
            write_files(run, {name: "x"})


def test_a_home_that_cannot_be_written(
    recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LORATUI_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(UserError, match="LORATUI_HOME"):
        store.create(recipe, "builtin")


def test_a_full_disk_still_takes_a_status(
    home: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run = store.create(recipe, "builtin")
    reserve_status(run)
    monkeypatch.setattr("loratui.runs.layout.replace_file", full)
    write_status(run, store.Status("running", "The disk is full."))
    status = store.read_status(run)
    assert status is not None and status.reason == "The disk is full."
    with pytest.raises(OSError, match="No space left"):
        write_status(run, status)


def test_the_command_lists_runs_as_lines_and_as_data(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    told = CliRunner().invoke(list_runs, ["--json"])
    assert [row["run"] for row in json.loads(told.stdout)["runs"]] == [run.id]
    assert run.id in CliRunner().invoke(list_runs, []).stdout
