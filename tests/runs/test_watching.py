"""Troubles that no log line tells of, met by real supervisors, and the rules one by one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from loratui.engines.engine import Engine
from loratui.events import Checkpoint, Hint, Phase, Step, decode_records
from loratui.recipe import Recipe
from loratui.runs import launch, store
from loratui.runs.hardware import cgroup
from loratui.runs.hardware.gpu import Gpu, GpuReading
from loratui.runs.store import Run, Status
from loratui.runs.supervision.pulse import Pulse
from loratui.runs.supervision.watching import Watch

MakeEngine = Callable[..., Engine]
CARD = Gpu(0, "RTX", 1 << 30, 24 << 30, 99, 70, 300.0, 350.0)


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def keys(hints: Iterator[Hint]) -> list[str]:
    return [hint.key for hint in hints]


def watch(folder: Path, clock: Time, *readings: GpuReading, kills: Iterator[int] | None = None) -> Watch:
    shown = iter(readings)
    return Watch(
        folder,
        clock=clock,
        read=lambda: next(shown, GpuReading((), "none")),
        kills=(lambda: next(kills)) if kills else lambda: 0,
        environment={},
    )


def test_a_silence_far_longer_than_a_step_is_a_hang(tmp_path: Path) -> None:
    clock = Time()
    pulse, looking = Pulse(tmp_path, clock), watch(tmp_path, clock)
    for number in range(1, 10):
        clock.now += 10
        pulse.note(Step(number))
    clock.now += 190
    assert keys(looking.look(pulse)) == []
    clock.now += 20  # 21 steps
    assert keys(looking.look(pulse)) == ["no_progress"]


def test_caching_and_sampling_may_take_their_time(tmp_path: Path) -> None:
    clock = Time()
    pulse, looking = Pulse(tmp_path, clock), watch(tmp_path, clock)
    for number in range(1, 10):
        pulse.note(Step(number, elapsed=0.1))
    pulse.note(Phase("sampling"))
    clock.now += 10_000
    assert keys(looking.look(pulse)) == []


def test_a_worker_killed_for_memory_is_said_with_the_hang(tmp_path: Path) -> None:
    clock = Time()
    pulse, looking = Pulse(tmp_path, clock), watch(tmp_path, clock, kills=iter((3, 4)))
    for number in range(1, 10):
        pulse.note(Step(number, elapsed=0.1))
    clock.now += 130
    found = list(looking.look(pulse))
    assert [hint.key for hint in found] == ["no_progress", "oom_ram"]
    assert found[1].line == "memory.events: oom_kill 3 -> 4"


def test_memory_held_by_others_is_what_was_used_before_the_start(tmp_path: Path) -> None:
    clock = Time()
    held = GpuReading((replace(CARD, used_bytes=5 << 30),), "")
    assert keys(watch(tmp_path, clock, held).look(Pulse(tmp_path, clock))) == ["gpu_shared"]
    assert keys(watch(tmp_path, clock, GpuReading((CARD,), "")).look(Pulse(tmp_path, clock))) == []


def test_a_gpu_slowed_down_by_heat_again_and_again(tmp_path: Path) -> None:
    clock = Time()
    hot = GpuReading((replace(CARD, throttled_by=("thermal slowdown (hardware)",)),), "")
    cool = GpuReading((CARD,), "")
    looking = watch(tmp_path, clock, cool, hot, hot, cool, hot, hot, hot)
    found = []
    for _ in range(6):
        found.append(keys(looking.look(Pulse(tmp_path, clock))))
        clock.now += 11
    assert found == [[], [], [], [], [], ["gpu_thermal"]]


def test_it_looks_seldom_however_often_it_is_asked(tmp_path: Path) -> None:
    clock = Time()
    looks: list[int] = []
    looking = Watch(tmp_path, clock=clock, read=lambda: looks.append(1) or GpuReading((CARD,), ""))  # type: ignore[func-returns-value]
    for _ in range(100):
        clock.now += 0.25
        list(looking.look(Pulse(tmp_path, clock)))
    assert len(looks) == 1 + 3  # at the start, then every ten seconds


def test_the_disk_is_measured_against_the_checkpoints_it_must_hold(tmp_path: Path) -> None:
    clock = Time()
    pulse, looking = Pulse(tmp_path, clock), watch(tmp_path, clock)
    big = tmp_path / "big.safetensors"
    space = os.statvfs(tmp_path)
    with big.open("wb") as file:
        file.truncate(min(space.f_bavail * space.f_frsize // 2, 1 << 42))  # sparse: it takes no room
    pulse.note(Checkpoint("big.safetensors", 1))
    assert keys(looking.look(pulse)) == ["disk_low"]


def events(run: Run) -> list[object]:
    return [record.event for record in decode_records(run.events.read_bytes().split(b"\n"))]


def test_a_silent_trainer_gets_a_hint_and_lives(
    home: Path, recipe: Recipe, script_engine: MakeEngine, until: Callable[..., object]
) -> None:
    run = store.create(recipe, "builtin")
    body = """
    plan(100)
    for number in range(1, 9):
        say("step", step=number, loss=0.5, elapsed=0.01)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    while True:
        time.sleep(0.2)
    """
    engine = script_engine(body)
    launch._prepare(run, lambda: engine.prepare(recipe, run.folder))
    command = [sys.executable, "-m", "loratui.runs.supervisor", str(run.folder), "--patience", "0.6"]
    with subprocess.Popen(command) as supervisor:
        until(lambda: run.events.exists() and any(isinstance(event, Hint) for event in events(run)))
        status = store.read_status(run)
        assert status is not None and status.state == "running"
        launch.request_stop(run)
        assert supervisor.wait(20) == 0
    (hint,) = [event for event in events(run) if isinstance(event, Hint)]
    assert (hint.key, hint.severity) == ("no_progress", "warning")


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group of 96 MiB, where this machine lets us make one."""
    v1 = cgroup._ROOT / "memory"
    group = (v1 if v1.is_dir() else cgroup._ROOT) / f"loratui-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if v1.is_dir() else "memory.max"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("no control group can be made here")
    try:
        (group / limit).write_text(str(96 << 20))
        (group / "cgroup.procs").write_text("")
    except OSError as error:
        if not (group / limit).is_file():
            group.rmdir()
            pytest.skip(f"no memory controller here: {error}")
    yield group
    group.rmdir()


def test_a_trainer_killed_by_the_kernel_for_want_of_ram(
    home: Path, recipe: Recipe, script_engine: MakeEngine, small_group: Path, until: Callable[..., object]
) -> None:
    run = store.create(recipe, "builtin")
    engine = script_engine("plan(3); step(1); hoard = [b'x' * (8 << 20) for _ in range(100)]; step(2)")
    launch._prepare(run, lambda: engine.prepare(recipe, run.folder))
    supervisor = [sys.executable, "-m", "loratui.runs.supervisor", str(run.folder)]
    enter = 'echo $$ > "$0" && exec "$@"'
    subprocess.run(["sh", "-c", enter, small_group / "cgroup.procs", *supervisor], check=True, timeout=60)
    status: Status | None = store.read_status(run)
    assert status is not None and status.state == "failed"
    assert "ran out of memory (system RAM)" in status.reason
    (hint,) = [event for event in events(run) if isinstance(event, Hint)]
    assert hint.key == "oom_ram" and "oom_kill 0 -> 1" in hint.line
    until(lambda: (small_group / "cgroup.procs").read_text() == "")


def test_ram_is_read_or_nothing() -> None:
    told = cgroup.memory()
    assert told is None or 0 < told.used < told.limit
