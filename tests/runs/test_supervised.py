"""Whole runs with real processes: how they end, and what is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.engines.engine import Engine
from loratui.events import Hint, Planned, StateChanged, Step, decode_records
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe
from loratui.runs import launch, store
from loratui.runs.files import replace_file
from loratui.runs.follow import RunFollower
from loratui.runs.process import group_members, is_running
from loratui.runs.store import Run, Status

Until = Callable[..., object]
Verdict = Callable[[Run], Status]
Begin = Callable[..., Run]

FINISH = """
plan(3)
for number in (1, 2, 3):
    step(number, 1 / number)
save()
say("ended", outcome="finished", step=3)
"""

PATIENT = """
plan(1000)
signal.signal(signal.SIGTERM, lambda *_: (save_state(1), sys.exit(0)))
step(1)
while True:
    time.sleep(0.05)
"""

STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
plan(1000)
step(1)
time.sleep(600)
"""

STARTER = """
import importlib.util, sys, time
from pathlib import Path
from loratui.recipe import Base, Dataset, Recipe, Steps
from loratui.runs import launch
spec = importlib.util.spec_from_file_location("helpers", sys.argv[1])
helpers = importlib.util.module_from_spec(spec)
sys.modules["helpers"] = helpers
spec.loader.exec_module(helpers)
recipe = Recipe(base=Base(model="/m"), dataset=Dataset(folder="/d"), steps=Steps(epochs=1))
print(launch.start(recipe, helpers.ScriptEngine(Path(sys.argv[2]))).id, flush=True)
time.sleep(600)
"""


def records(run: Run) -> list[object]:
    return list(decode_records(run.events.read_bytes().split(b"\n")))


def events(run: Run) -> list[object]:
    return [record.event for record in records(run)]  # type: ignore[attr-defined]


def states(run: Run) -> list[str]:
    return [event.state for event in events(run) if isinstance(event, StateChanged)]


def running(run: Run, until: Until) -> Status:
    def seen() -> Status | None:
        status = store.read_status(run)
        return status if status and status.state == "running" and status.step else None

    status = until(seen)
    assert isinstance(status, Status)
    return status


def test_a_run_finishes(begin: Begin, verdict: Verdict) -> None:
    run = begin(FINISH)
    status = verdict(run)
    assert (status.state, status.exit_code, status.step, status.total_steps) == ("finished", 0, 3, 3)
    assert Path(status.final_file) == run.checkpoints / "hero.safetensors"
    assert states(run) == ["starting", "running", "finished"]
    assert [event.step for event in events(run) if isinstance(event, Step)] == [1, 2, 3]
    view = RunFollower(run).poll()
    assert (view.state, view.step, view.final_file) == ("finished", 3, status.final_file)
    assert [record.seq for record in records(run)] == list(range(len(records(run))))  # type: ignore[attr-defined]
    summary = store.summary(run)
    assert (summary.state, summary.step) == ("finished", 3)
    assert summary.loss == pytest.approx(1 / 3)
    assert run.supervisor_log.read_text() == ""


def test_files_are_private(begin: Begin, verdict: Verdict) -> None:
    run = begin(FINISH)
    verdict(run)
    for path in run.folder.iterdir():
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path
    assert run.folder.stat().st_mode & 0o777 == 0o700
    assert (run.checkpoints / "sample").resolve() == run.samples.resolve()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("plan(3); step(1); sys.exit(3)", "exit code 3"),
        ("plan(3); step(1); save()", "ended early, at step 1 of 3"),
        ("plan(1); step(1)", "without writing a LoRA"),
        ("plan(1); step(1); save(float('nan'))", "NaN"),
        ("plan(1); say('step', step=1, finite=False); save()", "not a number"),
        ("plan(1); step(1); save(); Path('checkpoints/hero.safetensors').write_bytes(b'half')", "not good"),
        ("print('OutOfMemoryError: CUDA out of memory. Tried'); sys.exit(1)", "VRAM"),
        ("say('message', level='error', text='No such picture.'); sys.exit(1)", "No such picture."),
        ("raise ModuleNotFoundError(\"No module named 'lion_pytorch'\")", "Lion"),
    ],
)
def test_a_run_fails_with_its_reason(begin: Begin, verdict: Verdict, body: str, words: str) -> None:
    status = verdict(begin(body))
    assert status.state == "failed"
    assert words in status.reason


def test_exit_0_with_nan_is_hinted(begin: Begin, verdict: Verdict) -> None:
    run = begin("plan(1); say('step', step=1, finite=False); step(2); save()")
    assert verdict(run).state == "failed"
    assert [event.key for event in events(run) if isinstance(event, Hint)] == ["loss_nan"]


def test_a_lora_of_zeros_is_finished_and_said_to_do_nothing(begin: Begin, verdict: Verdict) -> None:
    run = begin("plan(1); step(1); save(0.0)")
    status = verdict(run)
    assert status.state == "finished"
    assert "does nothing: its only module" in status.reason
    (hint,) = [event for event in events(run) if isinstance(event, Hint)]
    assert (hint.key, hint.severity) == ("no_effect", "quality")
    assert "strength is 0" in hint.line


def test_a_lora_that_does_something_gets_no_such_hint(begin: Begin, verdict: Verdict) -> None:
    run = begin("plan(1); step(1); save(0.5)")
    assert verdict(run).reason == "All 1 steps are done and the LoRA file is whole."


@pytest.mark.parametrize(
    ("number", "words", "key"),
    [
        (signal.SIGKILL, "memory (system RAM)", "oom_ram"),
        (signal.SIGXCPU, "CPU time", "resource_limit"),
    ],
)
def test_a_trainer_ended_from_outside(
    begin: Begin, verdict: Verdict, until: Until, number: signal.Signals, words: str, key: str
) -> None:
    run = begin(PATIENT)
    status = running(run, until)
    assert status.trainer is not None
    os.kill(status.trainer.pid, number)
    status = verdict(run)
    assert (status.state, status.exit_code) == ("failed", -number)
    assert words in status.reason
    assert [event.key for event in events(run) if isinstance(event, Hint)] == [key]


LEAVING = """
def leave(number, _):
    save_state(1)
    say("ended", outcome="stopped", step=1, by_signal=number)
    sys.exit(0)
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, leave)
plan(1000)
step(1)
time.sleep(60)
"""


def test_a_stop_from_outside_is_none_that_was_asked_for(
    begin: Begin, verdict: Verdict, until: Until, script_engine: Callable[..., Engine]
) -> None:
    """The signal is named as it was, once; and what ended one attempt is not said of the next."""
    run = begin(LEAVING)
    status = running(run, until)
    assert status.trainer is not None
    os.kill(status.trainer.pid, signal.SIGTERM)
    status = verdict(run)
    assert status.state == "failed"
    assert status.reason == (
        "The trainer was told to end (SIGTERM) by something outside loratui (the pod, a scheduler, somebody)"
        " at step 1 of 1000. Resume goes on from the last saved state."
    )
    assert [hint.key for hint in RunFollower(run).poll().fatal_hints] == ["sig_term"]

    for _ in range(2):
        launch.resume(run, script_engine(LEAVING))
        status = running(run, until)
        assert status.trainer is not None
        os.kill(status.trainer.pid, signal.SIGINT)
        status = verdict(run)
        assert status.state == "failed"
        words = "The trainer was interrupted (SIGINT) by something outside loratui at step"
        assert status.reason.startswith(words)
        assert "resume goes on" in status.reason
    assert RunFollower(run).poll().fatal_hints == []


def test_what_is_held_still_can_be_stopped(begin: Begin, verdict: Verdict, until: Until) -> None:
    """SIGSTOP, as of a debugger or a shell: the trainer hears the stop all the same, and a guard that does
    not move holds nobody up."""
    run = begin(PATIENT)
    status = running(run, until)
    assert status.trainer is not None and status.supervisor is not None
    children = Path(f"/proc/{status.supervisor.pid}/task/{status.supervisor.pid}/children").read_text()
    for pid in map(int, children.split()):
        os.kill(pid, signal.SIGSTOP)
    launch.request_stop(run)
    assert verdict(run).state == "stopped"
    assert launch.newest_state(run) is not None


def test_a_stop_saves_and_can_be_resumed(
    begin: Begin, verdict: Verdict, until: Until, script_engine: Callable[..., Engine]
) -> None:
    run = begin(PATIENT)
    running(run, until)
    launch.request_stop(run)
    status = verdict(run)
    assert (status.state, status.exit_code) == ("stopped", 0)
    assert states(run) == ["starting", "running", "stopping", "stopped"]
    assert list(run.control.iterdir()) == []
    state = run.checkpoints / "hero-000001-state"
    assert launch.newest_state(run) == state
    with pytest.raises(UserError, match="is not running: it is stopped"):
        launch.request_stop(run)

    again = """
    state = json.loads((Path(sys.argv[1]) / "train_state.json").read_text())
    say("planned", total_steps=2, epochs=1, images=2, batches_per_epoch=2, first_step=state["current_step"])
    step(2)
    save()
    """
    assert launch.resume(run, script_engine(again)).id == run.id
    status = verdict(run)
    assert (status.state, status.attempt, status.step) == ("finished", 2, 2)
    with pytest.raises(UserError, match="nothing is left to train"):
        launch.resume(run, script_engine(again))
    assert verdict(run).state == "finished"
    assert [record.seq for record in records(run)] == list(range(len(records(run))))  # type: ignore[attr-defined]
    assert [event.first_step for event in events(run) if isinstance(event, Planned)] == [0, 1]


def test_a_stubborn_trainer_is_killed_with_all_it_started(
    begin: Begin, verdict: Verdict, until: Until
) -> None:
    run = begin(STUBBORN)
    status = running(run, until)
    assert status.trainer is not None
    assert len(group_members(status.trainer.pid)) == 2
    launch.request_stop(run)
    until(lambda: (now := store.read_status(run)) and now.state == "stopping")
    launch.request_stop(run)
    status = verdict(run)
    assert (status.state, status.exit_code) == ("stopped", -9)
    assert "killed" in status.reason
    assert group_members(status.trainer.pid) == []  # type: ignore[union-attr]


def test_a_kill_does_not_wait(begin: Begin, verdict: Verdict, until: Until) -> None:
    run = begin(STUBBORN)
    running(run, until)
    launch.request_kill(run)
    assert verdict(run).state == "stopped"


def test_the_grace_runs_out(
    home: Path, recipe: Recipe, script_engine: Callable[..., Engine], until: Until, verdict: Verdict
) -> None:
    run = store.create(recipe, "builtin")
    engine = script_engine(STUBBORN)
    launch._prepare(run, lambda: engine.prepare(recipe, run.folder))
    command = [sys.executable, "-m", "loratui.runs.supervisor", str(run.folder), "--grace", "0.3"]
    with subprocess.Popen(command) as supervisor:
        running(run, until)
        supervisor.send_signal(signal.SIGTERM)  # a container's stop is a stop
        assert supervisor.wait(20) == 0
    assert verdict(run).state == "stopped"


def test_what_a_trainer_leaves_behind_is_ended(begin: Begin, verdict: Verdict) -> None:
    run = begin('subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])' + FINISH)
    status = verdict(run)
    assert status.state == "finished"
    assert status.trainer is not None
    assert group_members(status.trainer.pid) == []


def test_a_killed_supervisor_takes_the_trainer_along(begin: Begin, until: Until) -> None:
    run = begin(PATIENT)
    status = running(run, until)
    assert status.trainer is not None and status.supervisor is not None
    group = status.trainer.pid
    follower = RunFollower(run)
    assert follower.poll().state == "running"
    os.kill(status.supervisor.pid, signal.SIGKILL)
    until(lambda: group_members(group) == [], timeout=5)
    until(lambda: follower.poll().state == "lost", timeout=5)
    assert store.summary(run).state == "lost"
    assert "supervisor is gone" in store.summary(run).reason


def test_an_orphan_that_will_not_go_is_killed(
    home: Path, recipe: Recipe, script_engine: Callable[..., Engine], until: Until
) -> None:
    """Until it is gone, the run is not called lost: resuming it would put two trainers on one GPU."""
    run = store.create(recipe, "builtin")
    engine = script_engine(STUBBORN)
    launch._prepare(run, lambda: engine.prepare(recipe, run.folder))
    command = [sys.executable, "-m", "loratui.runs.supervisor", str(run.folder), "--orphan-grace", "1.5"]
    with subprocess.Popen(command) as supervisor:
        status = running(run, until)
        supervisor.kill()
    assert status.trainer is not None
    group = status.trainer.pid
    assert store.summary(run).state == "running"
    until(lambda: group_members(group) == [], timeout=8)
    until(lambda: store.summary(run).state == "lost", timeout=5)
    with pytest.raises(UserError, match="no state to go on from"):
        launch.resume(run, script_engine(FINISH))


def test_a_launcher_that_dies_first_leaves_no_orphan(begin: Begin, until: Until) -> None:
    """accelerate's launcher dies of the death signal; the trainer it started would hold the GPU."""
    run = begin("""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    plan(1000); step(1)
    child.wait()
    """)
    status = running(run, until)
    assert status.trainer is not None and status.supervisor is not None
    assert len(group_members(status.trainer.pid)) == 2
    os.kill(status.supervisor.pid, signal.SIGKILL)
    until(lambda: group_members(status.trainer.pid) == [], timeout=5)


def test_the_one_who_started_it_may_be_killed(
    home: Path, tmp_path: Path, until: Until, script_engine: Callable[..., Engine], verdict: Verdict
) -> None:
    engine = script_engine(PATIENT)
    starter = tmp_path / "starter.py"
    starter.write_text(STARTER)
    helpers = Path(__file__).with_name("conftest.py")
    command = [sys.executable, str(starter), str(helpers), str(engine.script)]  # type: ignore[attr-defined]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        run = store.find(process.stdout.readline().strip())
        running(run, until)
        process.kill()
    status = running(run, until)
    assert status.supervisor is not None and is_running(status.supervisor)
    launch.request_stop(run)
    assert verdict(run).state == "stopped"


def test_a_second_supervisor_is_refused(
    begin: Begin, until: Until, script_engine: Callable[..., Engine]
) -> None:
    run = begin(PATIENT)
    running(run, until)
    command = [sys.executable, "-m", "loratui.runs.supervisor", str(run.folder)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith(f"{run.id} already has a supervisor.")
    with pytest.raises(UserError, match="already has a supervisor"):
        launch.spawn(run)
    with pytest.raises(UserError, match="still running"):
        launch.resume(run, script_engine(FINISH))
    assert store.summary(run).state == "running"


def test_what_the_trainer_inherits(begin: Begin, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    body = """
    def read(path):
        try:
            return os.readlink(path)
        except OSError:
            return ""
    lines = Path("/proc/self/status").read_text().splitlines()
    status = dict(line.split(":\\t") for line in lines if ":\\t" in line)
    names = ("PYTHONUNBUFFERED", "PYTHONUTF8", "COLUMNS", "EXTRA", "HERS")
    print(json.dumps({
        "ignored": int(status["SigIgn"], 16), "blocked": int(status["SigBlk"], 16),
        "group": os.getpgrp() == os.getpid(), "session": os.getsid(0) == os.getpid(),
        "stdin": os.readlink("/proc/self/fd/0"),
        "files": [read(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if int(fd) > 2],
        "env": {key: os.environ.get(key) for key in names},
    }))
    """
    monkeypatch.setenv("HERS", "kept")
    run = begin(body, env={"EXTRA": "1"})
    verdict(run)
    facts = json.loads(run.output.read_text())
    stops = sum(
        1 << (number - 1) for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE)
    )
    assert facts["ignored"] & (stops & ~(1 << (signal.SIGPIPE - 1))) == 0
    assert facts["blocked"] == 0
    assert facts["group"] and facts["session"]
    assert facts["stdin"] == "/dev/null"
    assert not [name for name in facts["files"] if str(run.folder) in name or "pipe" in name]
    assert facts["env"] == {
        "PYTHONUNBUFFERED": "1",
        "PYTHONUTF8": "1",
        "COLUMNS": "400",
        "EXTRA": "1",
        "HERS": "kept",
    }


def test_a_program_that_is_not_there(
    home: Path, recipe: Recipe, script_engine: Callable[..., Engine], verdict: Verdict
) -> None:
    run = store.create(recipe, "builtin")
    replace_file(run.launch, b'{"argv": ["/no/such/python"], "env": {}, "cwd": "/"}')
    launch.spawn(run)
    status = verdict(run)
    assert status.state == "failed"
    assert "/no/such/python" in status.reason


def test_an_engine_that_refuses_leaves_no_run(
    home: Path, recipe: Recipe, script_engine: Callable[..., Engine]
) -> None:
    engine = script_engine("", refusals=(Problem("base.model", "there is no such file."),))
    with pytest.raises(UserError, match="no such file"):
        launch.start(recipe, engine)
    assert store.all_runs() == []


def test_a_flood_is_kept_up_with(begin: Begin, verdict: Verdict) -> None:
    run = begin(
        'sys.stdout.write("nothing to see in this line of the log\\n" * 20_000); sys.stdout.flush()' + FINISH
    )
    status = verdict(run)
    assert (status.state, status.step) == ("finished", 3)


def test_the_supervisor_is_light(begin: Begin, until: Until) -> None:
    run = begin(PATIENT)
    status = running(run, until)
    assert status.supervisor is not None
    modules = (Path("/proc") / str(status.supervisor.pid) / "maps").read_text()
    assert "libtorch" not in modules and "_imaging" not in modules
    memory = (Path("/proc") / str(status.supervisor.pid) / "smaps_rollup").read_text()
    rss = int(next(line.split()[1] for line in memory.splitlines() if line.startswith("Rss:")))
    assert rss < 26 * 1024


def test_the_supervisor_imports_no_screen_and_no_torch() -> None:
    code = "import sys, loratui.runs.supervisor; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"textual", "rich", "click", "torch", "PIL", "pynvml", "numpy"}.isdisjoint(loaded)


def test_what_another_launcher_left_in_the_environment_is_not_passed_on(
    begin: Begin, verdict: Verdict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale WORLD_SIZE makes a trainer wait for ever for processes that nobody starts."""
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "MASTER_ADDR": "127.0.0.1", "KEPT": "1"}.items():
        monkeypatch.setenv(name, value)
    run = begin("print([os.environ.get(n) for n in ('WORLD_SIZE', 'RANK', 'MASTER_ADDR', 'KEPT')])" + FINISH)
    verdict(run)
    assert "[None, None, None, '1']" in run.output.read_text()


def test_what_explains_an_earlier_line_is_the_reason(begin: Begin, verdict: Verdict) -> None:
    """torch says first that it will not unpickle a file, then that the file is no pickle at all."""
    lines = [
        '  File "train_util.py", line 1, in resume_from_local_or_hf_if_specified',
        "_pickle.UnpicklingError: Weights only load failed. In PyTorch 2.6, we changed the default value",
        "Please file an issue: WeightsUnpickler error: ",
        "Unsupported operand 69",
    ]
    run = begin(f"print({chr(10).join(lines)!r}, flush=True)\nsys.exit(1)")
    assert "state to go on from is damaged" in verdict(run).reason
