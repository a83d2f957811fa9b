"""``loratui fix``: the same as ``f`` on the panel, without a screen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from loratui.cli.fix import fix
from loratui.events import AnyEvent, Hint, Record, StateChanged, encode
from loratui.problems import UserError
from loratui.recipe import Base, Dataset, Output, Recipe, Steps
from loratui.runs import layout, store
from loratui.runs.hints import states as hint_states
from loratui.runs.store import Run


@pytest.fixture
def failed(home: Path) -> Run:
    recipe = Recipe(
        base=Base(model="/models/none.safetensors", family="sd15"),
        dataset=Dataset(folder="/data/none"),
        steps=Steps(epochs=1, batch_size=4),
        output=Output(name="hero"),
    )
    run = store.create(recipe, "builtin")
    happened: list[AnyEvent] = [
        Hint("caption_missing", "warning", "No caption file found for 3 images"),
        Hint("oom_cuda", "fatal", "torch.OutOfMemoryError: CUDA out of memory. \x1b[31mTried"),
        StateChanged("failed", "x"),
    ]
    lines = [encode(Record(number, 1.0, 1.0, event)) for number, event in enumerate(happened)]
    run.events.write_bytes(b"\n".join(lines) + b"\n")
    layout.write_status(run, layout.Status("failed"))
    return run


def test_it_shows_the_worst_first_and_does_nothing(failed: Run) -> None:
    shown = CliRunner().invoke(fix, [failed.id])
    assert shown.exit_code == 0
    assert "steps.batch_size: 4 -> 2" in shown.stdout
    assert f"loratui fix {failed.id} --hint oom_cuda --yes" in shown.stderr
    assert len(store.all_runs()) == 1 and hint_states.decisions(failed) == {}


def test_json_has_the_diff(failed: Run) -> None:
    told = json.loads(CliRunner().invoke(fix, [failed.id, "--hint", "oom_cuda", "--json"]).stdout)
    assert told["changes"][:2] == [
        {"key": "steps.batch_size", "old": 4, "new": 2},
        {"key": "steps.accumulation", "old": 1, "new": 2},
    ]
    assert (told["hint"], told["from_state"], told["install"]) == ("oom_cuda", None, None)


def test_dismissing_is_kept_with_the_run(failed: Run) -> None:
    assert CliRunner().invoke(fix, [failed.id, "--dismiss"]).exit_code == 0
    assert hint_states.decisions(failed)["oom_cuda"].state == "dismissed"
    assert "caption_missing" in CliRunner().invoke(fix, [failed.id]).stdout


def test_what_the_engine_refuses_starts_nothing(failed: Run) -> None:
    result = CliRunner().invoke(fix, [failed.id, "--hint", "oom_cuda", "--yes"])
    assert isinstance(result.exception, UserError)
    assert "no such" in str(result.exception)
    assert len(store.all_runs()) == 1
    assert hint_states.decisions(failed) == {}


def test_nothing_to_install_is_said(failed: Run) -> None:
    result = CliRunner().invoke(fix, [failed.id, "--hint", "oom_cuda", "--install"])
    assert "no package is missing" in str(result.exception)
