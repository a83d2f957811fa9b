"""A supervisor that is killed leaves no trainer behind, and its run goes on from the last state."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import psutil
import pytest

from loratui import demo
from loratui.recipe import change, dumps
from loratui.runs import store
from tests.conftest import Loratui
from tests.support.processes import wait_for

pytestmark = pytest.mark.timeout(280)


def test_supervisor_killed_then_resumed(demo_home: Path, loratui: Loratui) -> None:
    path = demo_home / "recipe.toml"
    short = {"steps.epochs": 4, "output.save_every_epochs": 1, "samples.every_epochs": 0}
    path.write_text(dumps(change(demo.recipe(), short)))
    started = json.loads(loratui("train", str(path), "--detach", "--json").stdout)
    run = store.find(started["run"])
    wait_for(lambda: store.summary(run).step > 20, timeout=120, what="the first state")

    status = store.read_status(run)
    assert status is not None
    assert status.supervisor is not None
    assert status.trainer is not None
    trainer = status.trainer.pid
    os.kill(status.supervisor.pid, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(trainer), timeout=20, what="the end of the trainer")
    wait_for(lambda: store.summary(run).state == "lost", what="the state lost")
    lost = store.summary(run)
    assert lost.total_steps is not None
    assert lost.step < lost.total_steps

    resumed = json.loads(loratui("resume", run.id, "--json").stdout)
    assert resumed["verdict"] == "finished"
    assert resumed["step"] == resumed["total_steps"] == lost.total_steps
    assert Path(resumed["final_file"]).exists()
