"""Fixes put to work on real runs: started again, installed, dismissed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui import recipe as recipes
from loratui.engines.engine import Engine
from loratui.events import Hint
from loratui.problems import UserError
from loratui.recipe import Recipe, change
from loratui.runs import launch, store
from loratui.runs.follow import RunFollower
from loratui.runs.hints import fixing
from loratui.runs.hints import states as hint_states
from loratui.runs.hints.fixes import Fix
from loratui.runs.hints.packages import Installation
from loratui.runs.store import Run, Status

Verdict = Callable[[Run], Status]
Until = Callable[..., object]
MakeEngine = Callable[..., Engine]

TOO_LARGE = """
import tomllib
batch = tomllib.loads(Path("recipe.toml").read_text()).get("steps", {}).get("batch_size", 1)
first = 0
if sys.argv[1:]:
    first = json.loads((Path(sys.argv[1]) / "train_state.json").read_text())["current_step"]
say("planned", total_steps=4, epochs=1, images=4, batches_per_epoch=4, first_step=first)
for number in range(first + 1, 5):
    step(number)
    if number == 2 and SAVES:
        save_state(2)
    if number == 2 and batch > 2:
        print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB.", flush=True)
        sys.exit(1)
save()
"""


@pytest.fixture
def large(recipe: Recipe) -> Recipe:
    return change(recipe, {"steps.batch_size": 4, "base.family": "sd15"})


def offered(run: Run, key: str = "") -> Fix:
    view = RunFollower(run).poll()
    return fixing.fix_for(run, view, fixing.choose(run, view, key))


def test_out_of_memory_goes_on_from_the_state_with_half_the_batch(
    home: Path, large: Recipe, script_engine: MakeEngine, verdict: Verdict
) -> None:
    engine = script_engine(TOO_LARGE.replace("SAVES", "True"))
    run = launch.start(large, engine)
    assert verdict(run).state == "failed"
    fix = offered(run)
    assert fix.changes[:2] == (("steps.batch_size", 4, 2), ("steps.accumulation", 1, 2))
    plan = fixing.plan(run, fix)
    assert plan.state == run.checkpoints / "hero-000002-state"
    started = fixing.apply(run, fix, engine)
    assert started.id == run.id
    status = verdict(run)
    assert (status.state, status.attempt, status.step) == ("finished", 2, 4)
    assert recipes.loads(run.recipe.read_text()).steps.batch_size == 2
    assert recipes.loads((run.folder / "recipe-attempt1.toml").read_text()) == large
    view = RunFollower(run).poll()
    decided = hint_states.decisions(run)
    assert hint_states.state_of("oom_cuda", view.hinted_at["oom_cuda"], decided) == "applied"
    assert decided["oom_cuda"].did[0] == "steps.batch_size: 4 -> 2"
    assert (run.folder / "hints.json").stat().st_mode & 0o777 == 0o600


def test_without_a_state_it_is_a_new_run(
    home: Path, large: Recipe, script_engine: MakeEngine, verdict: Verdict
) -> None:
    engine = script_engine(TOO_LARGE.replace("SAVES", "False"))
    run = launch.start(large, engine)
    verdict(run)
    fix = offered(run)
    assert fixing.plan(run, fix).state is None
    assert "no state was saved" in fixing.plan(run, fix).words
    started = fixing.apply(run, fix, engine)
    assert started.id != run.id
    status = verdict(started)
    assert status.state == "finished", status.reason
    assert store.summary(run).state == "failed"
    assert hint_states.decisions(run)["oom_cuda"].run == started.id


def test_the_same_trouble_in_the_next_attempt_is_new_again(
    home: Path, large: Recipe, script_engine: MakeEngine, verdict: Verdict
) -> None:
    engine = script_engine(
        TOO_LARGE.replace("SAVES", "True").replace("number == 2 and batch > 2", "number > 1")
    )
    run = launch.start(large, engine)
    verdict(run)
    fixing.apply(run, offered(run), engine)
    status = verdict(run)
    assert status.state == "failed" and "VRAM" in status.reason
    view = RunFollower(run).poll()
    state = hint_states.state_of("oom_cuda", view.hinted_at["oom_cuda"], hint_states.decisions(run))
    assert state == "new"


def test_a_run_whose_loss_is_nan_is_ended_first_and_begun_again(
    home: Path, recipe: Recipe, script_engine: MakeEngine, verdict: Verdict, until: Until
) -> None:
    body = """
    import tomllib
    rate = tomllib.loads(Path("recipe.toml").read_text()).get("optimizer", {}).get("unet_rate", 1e-4)
    plan(3)
    for number in (1, 2, 3):
        step(number) if number < 2 or rate < 0.5 else say("step", step=number, finite=False)
    if rate > 0.5:
        time.sleep(600)
    save()
    """
    engine = script_engine(body)
    run = launch.start(change(recipe, {"optimizer.unet_rate": 1.0}), engine)
    until(lambda: RunFollower(run).poll().hints)
    fix = offered(run)
    assert [(key, new) for key, _, new in fix.changes] == [("optimizer.unet_rate", pytest.approx(1e-4))]
    assert "NaN" in fixing.plan(run, fix).words or "no state" in fixing.plan(run, fix).words
    started = fixing.apply(run, fix, engine)
    assert store.summary(run).state == "stopped"
    status = verdict(started)
    assert status.state == "finished", status.reason


def test_nothing_is_chosen_where_nothing_was_met(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    with pytest.raises(UserError, match="nothing known"):
        fixing.choose(run, RunFollower(run).poll())


def test_a_dismissed_hint_makes_way_for_the_next(home: Path, recipe: Recipe) -> None:
    from loratui.events import Record, encode

    run = store.create(recipe, "builtin")
    happened = (Hint("oom_cuda", "fatal", "a"), Hint("caption_missing", "warning", "b"))
    lines = [encode(Record(number, 1.0, 1.0, event)) for number, event in enumerate(happened)]
    run.events.write_bytes(b"\n".join(lines) + b"\n")
    view = RunFollower(run).poll()
    assert fixing.choose(run, view).key == "oom_cuda"
    hint_states.decide(run, "oom_cuda", "dismissed")
    assert fixing.choose(run, view).key == "caption_missing"
    assert fixing.choose(run, view, "oom_cuda").key == "oom_cuda"
    with pytest.raises(UserError, match="no hint 'oom'"):
        fixing.choose(run, view, "oom")


def test_an_installation_shows_and_keeps_what_it_printed(home: Path, recipe: Recipe) -> None:
    run = store.create(recipe, "builtin")
    command = "print('Collecting it'); import sys; sys.exit(3)"
    shown: list[str] = []
    code = fixing.install(run, Installation((sys.executable, "-c", command)), shown.append)
    assert (code, shown) == (3, ["Collecting it"])
    log = (run.folder / "install.log").read_text()
    assert "Collecting it" in log and log.endswith("exit code 3\n")
    with pytest.raises(UserError, match="no-such-pip"):
        fixing.install(run, Installation(("/no-such-pip",)), shown.append)
