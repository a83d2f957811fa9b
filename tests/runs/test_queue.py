"""Runs that wait for a GPU: real supervisors, one lock for each GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.engines import registry
from loratui.engines.engine import Engine
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe, change
from loratui.recipe import loads as load_recipe
from loratui.runs import launch, lock, store
from loratui.runs.hardware import gpu_locks
from loratui.runs.process import group_members
from loratui.runs.queueing import queue
from loratui.runs.queueing.queue_worker import Worker
from loratui.runs.store import Run, Status

MakeEngine = Callable[..., Engine]
Until = Callable[..., object]
PATIENT = """
plan(9)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
step(1)
time.sleep(600)
"""


@pytest.fixture(autouse=True)
def nobody_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests work the queue off themselves."""
    monkeypatch.setattr(queue, "wake", lambda: None)


def end(run: Run, verdict: Callable[[Run], Status]) -> Status:
    launch.request_stop(run)
    return verdict(run)


def test_one_gpu_one_run_and_the_next_when_it_is_free(
    recipe: Recipe, script_engine: MakeEngine, until: Until, verdict: Callable[[Run], Status],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    engine = script_engine(PATIENT)
    monkeypatch.setattr(registry, "engine", lambda name: engine)
    by_hand = launch.start(recipe, engine)
    assert not gpu_locks.is_free(0)
    first, second, third = (queue.add(recipe, engine) for _ in range(3))
    assert [store.summary(run).name for run in (first, second, third)] == ["hero-2", "hero-3", "hero-4"]
    assert store.summary(first).state == "queued"
    worker = Worker()
    assert worker.turn()  # all wait for the run that was started by hand
    assert queue.read().order == (first.id, second.id, third.id)
    queue.move(third, 1)
    queue.hold(first)
    end(by_hand, verdict)
    assert worker.turn()
    assert not gpu_locks.is_free(0)
    assert queue.read().order == (first.id, second.id)
    end(third, verdict)
    assert not worker.turn()  # the held one is passed over, and nothing else waits
    assert store.summary(first).state == "queued"
    end(second, verdict)
    queue.release(first)
    assert not worker.turn()
    assert end(first, verdict).state == "stopped"


def test_a_gpu_is_held_until_an_orphaned_trainer_is_gone(
    recipe: Recipe, script_engine: MakeEngine, until: Until
) -> None:
    body = """
    signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1.5), os._exit(0)))
    plan(9); step(1)
    while True:
        time.sleep(0.05)
    """
    run = launch.start(recipe, script_engine(body))
    until(lambda: (now := store.read_status(run)) and now.step)
    status = store.read_status(run)
    assert status is not None and status.supervisor is not None and status.trainer is not None
    os.kill(status.supervisor.pid, 9)
    assert not gpu_locks.is_free(0)
    until(lambda: gpu_locks.is_free(0), timeout=8)
    assert group_members(status.trainer.pid) == []


@pytest.mark.parametrize("wish", ["go-on", "stop"])
def test_after_a_failure_it_does_as_wished(
    recipe: Recipe, script_engine: MakeEngine, verdict: Callable[[Run], Status],
    monkeypatch: pytest.MonkeyPatch, wish: queue.AfterFailure,
) -> None:  # fmt: skip
    engine = script_engine("sys.exit(3)")
    monkeypatch.setattr(registry, "engine", lambda name: engine)
    first, second = queue.add(recipe, engine), queue.add(recipe, engine)
    queue.set_after_failure(wish)
    worker = Worker()
    worker.turn()
    assert verdict(first).state == "failed"
    worker.turn()
    if wish == "go-on":
        assert verdict(second).state == "failed"
    else:
        assert store.summary(second).state == "queued"
        assert first.id in queue.read().stopped
        queue.start()
        assert queue.read().ready == (second.id,)


def test_a_waiting_run_is_changed_and_removed(recipe: Recipe, script_engine: MakeEngine) -> None:
    engine = script_engine("")
    run = queue.add(recipe, engine)
    changed = change(load_recipe(run.recipe.read_text()), {"network.rank": 4, "network.alpha": 2.0})
    queue.change_recipe(run, changed, engine)
    assert load_recipe(run.recipe.read_text()).network.rank == 4
    assert "rank 4" in (store.read_run_file(run) or pytest.fail()).summary
    queue.remove(run)
    assert not run.folder.exists() and queue.read().order == ()
    with pytest.raises(UserError, match="does not wait"):
        queue.move(run, 1)


def test_a_changed_run_keeps_its_own_name_and_takes_no_other(
    recipe: Recipe, script_engine: MakeEngine
) -> None:
    engine = script_engine("")
    first, second = queue.add(recipe, engine), queue.add(recipe, engine)
    told = load_recipe(second.recipe.read_text())
    queue.change_recipe(second, change(told, {"network.rank": 4, "network.alpha": 2.0}), engine, 77)
    assert (store.summary(second).name, store.summary(second).total_steps) == ("hero-2", 77)
    queue.change_recipe(second, change(told, {"output.name": "hero"}), engine)
    assert store.summary(second).name == "hero-2"
    assert store.summary(first).name == "hero"


def test_a_run_for_several_gpus_waits_for_them_and_nobody_overtakes_it(
    recipe: Recipe, script_engine: MakeEngine
) -> None:
    engine = script_engine("")
    wide = queue.add(change(recipe, {"launch.num_processes": 2}), engine)
    narrow = queue.add(recipe, engine)
    assert queue.take_next(gpus=1, of=4) is None
    assert queue.take_next(gpus=2, of=4) == (wide, 2)
    assert queue.take_next(gpus=1, of=4) == (narrow, 1)


def test_a_failure_is_seen_by_whoever_works_the_queue_off_next(
    recipe: Recipe, script_engine: MakeEngine, verdict: Callable[[Run], Status],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    engine = script_engine("sys.exit(3)")
    monkeypatch.setattr(registry, "engine", lambda name: engine)
    queue.set_after_failure("stop")
    first = queue.add(recipe, engine)
    assert not Worker().turn()  # it ends here: nothing else waits
    verdict(first)
    second = queue.add(recipe, engine)
    Worker().turn()
    assert store.summary(second).state == "queued"
    assert first.id in queue.read().stopped


def test_a_run_started_by_hand_goes_to_a_gpu_that_is_free(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gpu_locks, "ours", lambda: (0, 1, 2))
    assert gpu_locks.elsewhere(1, {}) == {} and not gpu_locks.are_busy()
    held = gpu_locks.hold((0,))
    assert gpu_locks.elsewhere(1, {}) == {"CUDA_VISIBLE_DEVICES": "1"}
    assert gpu_locks.elsewhere(2, {}) == {"CUDA_VISIBLE_DEVICES": "1,2"}
    assert gpu_locks.elsewhere(1, {"CUDA_VISIBLE_DEVICES": "0"}) == {}  # as the person said
    assert not gpu_locks.are_busy() and gpu_locks.are_busy(3)
    held += gpu_locks.hold((1, 2))
    assert gpu_locks.elsewhere(1, {}) == {} and gpu_locks.are_busy()
    for descriptor in held:
        os.close(descriptor)


def test_what_cannot_start_is_refused_at_once(recipe: Recipe, script_engine: MakeEngine) -> None:
    engine = script_engine("", refusals=(Problem("base.model", "there is no such file."),))
    with pytest.raises(UserError, match="no such file"):
        queue.add(recipe, engine)
    assert store.all_runs() == []


def test_a_run_that_can_no_longer_start_fails_with_its_reason(
    home: Path, recipe: Recipe, script_engine: MakeEngine
) -> None:
    """The worker as the process it is; the model it needs was moved while the run waited."""
    run = queue.add(recipe, script_engine(""))
    done = subprocess.run(
        [sys.executable, "-m", "loratui.runs.queueing.queue_worker"],
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert run.id in done.stdout
    summary = store.summary(run)
    assert summary.state == "failed"
    assert "/models/base.safetensors" in summary.reason
    assert queue.read().order == ()


def test_only_one_process_works_it_off(home: Path, recipe: Recipe, script_engine: MakeEngine) -> None:
    held = lock.hold(queue.worker_lock())
    assert queue.is_worked_off()
    run = queue.add(recipe, script_engine(""))
    command = [sys.executable, "-m", "loratui.runs.queueing.queue_worker"]
    assert subprocess.run(command, timeout=30, check=True, capture_output=True).stdout == b""
    assert store.summary(run).state == "queued"
    os.close(held)


def test_a_name_in_the_output_folder_is_taken(home: Path, recipe: Recipe, tmp_path: Path) -> None:
    (tmp_path / "hero.safetensors").write_bytes(b"mine")
    (tmp_path / "hero-2.safetensors").write_bytes(b"mine")
    assert queue.unique_name(change(recipe, {"output.folder": str(tmp_path)})) == "hero-3"
    assert queue.unique_name(recipe) == "hero"


@pytest.mark.parametrize(
    ("named", "processes", "indices"),
    [("", 1, (0,)), ("", 2, (0, 1)), ("3,5", 1, (3,)), ("3,5", 2, (3, 5)), ("GPU-9a", 1, (0,))],
)
def test_which_gpus_a_run_takes(named: str, processes: int, indices: tuple[int, ...]) -> None:
    assert gpu_locks.indices({"CUDA_VISIBLE_DEVICES": named}, processes) == indices
