"""Faults of the machine, met by real supervisors and trainers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from loratui.cli.runs import runs
from loratui.engines.engine import Engine
from loratui.events import Step, decode_records
from loratui.problems import UserError
from loratui.recipe import Recipe
from loratui.runs import launch, layout, liveness, lock, store
from loratui.runs.follow import RunFollower
from loratui.runs.process import boot_id, group_members, identify, is_running
from loratui.runs.store import Run, Status

Until = Callable[..., object]
Verdict = Callable[[Run], Status]
MakeEngine = Callable[..., Engine]
PATIENT = """
plan(1000)
signal.signal(signal.SIGTERM, lambda *_: (save_state(1), sys.exit(0)))
step(1)
while True:
    time.sleep(0.05)
"""


def running(run: Run, until: Until) -> Status:
    until(lambda: (now := store.read_status(run)) and now.state == "running" and now.step)
    status = store.read_status(run)
    assert status is not None
    return status


def test_a_container_that_stops_lets_the_trainer_save(
    begin: Callable[..., Run], until: Until, verdict: Verdict
) -> None:
    """The container's first process passes SIGTERM on to all, then waits some seconds."""
    run = begin(PATIENT)
    status = running(run, until)
    assert status.supervisor is not None and status.trainer is not None
    os.kill(status.supervisor.pid, signal.SIGTERM)
    os.kill(status.trainer.pid, signal.SIGTERM)
    assert verdict(run).state == "stopped"
    assert launch.newest_state(run) == run.checkpoints / "hero-000001-state"


def test_two_watch_one_run_and_both_ask_for_a_stop(
    begin: Callable[..., Run], until: Until, verdict: Verdict
) -> None:
    run = begin(PATIENT)
    first, second = RunFollower(run), RunFollower(run)
    running(run, until)
    until(lambda: first.poll().step == second.poll().step == 1)
    launch.request_stop(run)
    assert verdict(run).state == "stopped"
    assert first.poll().reason == second.poll().reason
    assert first.poll().state == "stopped"


@pytest.mark.parametrize("flock", [True, False])
def test_after_a_reboot_nothing_counts_as_running(
    home: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, flock: bool
) -> None:
    """Its status says running, and its PID runs here: but in another boot."""
    me = identify(os.getpid())
    run = store.create(recipe, "builtin")
    layout.write_status(run, Status("running", supervisor=msgspec.structs.replace(me, boot_id="another")))
    run.lock.touch()
    if not flock:
        monkeypatch.setattr(lock, "is_held", lambda path: None)
        monkeypatch.setattr(liveness, "STALE", 0.0)
    assert store.summary(run).state == "lost"
    assert me.boot_id == boot_id() and is_running(me)


def test_a_reused_pid_is_another_process(home: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    me = identify(os.getpid())
    run = store.create(recipe, "builtin")
    layout.write_status(run, Status("running", supervisor=msgspec.structs.replace(me, ticks=me.ticks - 1)))
    monkeypatch.setattr(lock, "is_held", lambda path: None)
    monkeypatch.setattr(liveness, "STALE", 0.0)
    assert store.summary(run).state == "lost"
    layout.write_status(run, Status("running", supervisor=me))
    assert store.summary(run).state == "running"


def test_a_clock_that_jumps_back_ends_no_run(begin: Callable[..., Run], until: Until) -> None:
    """The lock decides; the heartbeat, a day in the future or the past, does not."""
    run = begin(PATIENT)
    status = running(run, until)
    for shift in (-86400.0, 86400.0):
        text = msgspec.json.encode(msgspec.structs.replace(status, updated=status.updated + shift))
        run.status.write_bytes(text)
        assert store.state(run)[0] == "running"


def test_a_run_whose_folder_is_deleted_leaves_the_gpu(begin: Callable[..., Run], until: Until) -> None:
    """No list shows it any more, and nobody could stop it."""
    run = begin(PATIENT)
    status = running(run, until)
    assert status.supervisor is not None and status.trainer is not None
    trainer, supervisor = status.trainer, status.supervisor
    shutil.rmtree(run.folder)
    until(lambda: not is_running(supervisor))
    assert group_members(trainer.pid) == []


def test_runs_of_another_user_are_not_called_none(
    home: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.create(recipe, "builtin")

    def denied(folder: Path) -> object:  # root reads what it likes
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(UserError, match="cannot be read: Permission denied"):
        store.find()
    told = CliRunner().invoke(runs, ["--json"])
    assert isinstance(told.exception, UserError)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB, where this machine lets us mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


@pytest.mark.parametrize("full_of", ["log", "checkpoint", "events"])
def test_a_full_disk_is_said_and_survived(
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    recipe: Recipe,
    script_engine: MakeEngine,
    until: Until,
    verdict: Verdict,
    full_of: str,
) -> None:
    """Whatever filled it; once there is room again, no event is lost."""
    filling = {
        "log": "os.set_blocking(1, True)\ntry:\n    [os.write(1, b'x' * 99 + b'\\n') for _ in range(20000)]\n"
        "except OSError: pass\n",
        "checkpoint": "try:\n    Path('checkpoints/big').write_bytes(bytes(2 << 20))\nexcept OSError: pass\n",
        "events": "Path('ballast').write_bytes(b'x' * 1000)\ntry:\n"
        "    [Path(f'ballast{n}').write_bytes(b'x' * 4096) for n in range(999)]\nexcept OSError: pass\n",
    }[full_of]
    body = f"""
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
plan(9)
step(1)
time.sleep(0.6)
{filling}
while not Path({str(small_disk)!r}, "room").exists():
    time.sleep(0.05)
for number in range(2, 10):
    step(number)
time.sleep(600)
"""
    monkeypatch.setenv("LORATUI_HOME", str(small_disk))
    run = launch.start(recipe, script_engine(body))
    running(run, until)
    until(lambda: os.statvfs(small_disk).f_bavail == 0, timeout=15)
    assert store.state(run)[0] == "running"
    for path in (run.checkpoints / "big", *run.folder.glob("ballast*")):
        path.unlink(missing_ok=True)
    if full_of == "log":
        os.truncate(run.output, 0)
    (small_disk / "room").touch()
    until(lambda: (now := store.read_status(run)) and now.step == 9, timeout=15)
    launch.request_stop(run)
    assert verdict(run).state == "stopped"
    records = list(decode_records(run.events.read_bytes().split(b"\n")))
    steps = [record.event.step for record in records if isinstance(record.event, Step)]
    assert steps == list(range(1, 10))
    assert [record.seq for record in records] == list(range(len(records)))


def test_no_token_is_left_in_what_a_run_leaves(
    begin: Callable[..., Run], verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens are in the environment of the trainer, and in no file of its run."""
    secrets = {"HF_TOKEN": "hf_secretsecretsecret", "CIVITAI_TOKEN": "civ0secret0", "NTFY_TOKEN": "tk_sesame"}
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    run = begin("assert os.environ['HF_TOKEN']; plan(1); step(1); save()")
    verdict(run)
    for path in run.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not [name for name, value in secrets.items() if value.encode() in data], path


def test_supervisors_that_race_for_a_run_leave_one(
    home: Path, recipe: Recipe, script_engine: MakeEngine, until: Until, verdict: Verdict
) -> None:
    run = store.create(recipe, "builtin")
    engine = script_engine(PATIENT)
    launch._prepare(run, lambda: engine.prepare(recipe, run.folder))
    command = [sys.executable, "-m", "loratui.runs.supervisor", str(run.folder)]
    racers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(3)]
    running(run, until)
    until(lambda: sum(racer.poll() == 1 for racer in racers) == 2)
    launch.request_stop(run)
    assert verdict(run).state == "stopped"
    assert sorted(racer.wait(20) for racer in racers) == [0, 1, 1]
