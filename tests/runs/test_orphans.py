"""What is left when all of loratui's processes of a run are killed at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from loratui.cli.history import status as status_line
from loratui.cli.runs import stop
from loratui.runs import launch, store
from loratui.runs.process import group_members, has_ended
from loratui.runs.store import Run
from loratui.runs.supervision.orphans import end_orphans, orphans

LAUNCHER = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", os.getcwd()])
plan(1000); step(1); save_state(1)
child.wait()
"""


@pytest.fixture
def orphaned(begin: Callable[..., Run], until: Callable[..., object]) -> Run:
    """A run whose supervisor and guard are gone, and whose launcher's child is not."""
    run = begin(LAUNCHER)
    until(lambda: (now := store.read_status(run)) and now.step)
    status = store.read_status(run)
    assert status is not None and status.supervisor is not None and status.trainer is not None
    os.kill(status.supervisor.pid, signal.SIGSTOP)  # it would end what is left of the trainer
    children = Path(f"/proc/{status.supervisor.pid}/task/{status.supervisor.pid}/children").read_text()
    for pid in (*map(int, children.split()), status.supervisor.pid):
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(group_members(status.trainer.pid)) == 1)
    until(lambda: store.summary(run).state == "lost")
    return run


def test_a_lost_run_tells_of_its_orphan_and_stop_ends_it(orphaned: Run) -> None:
    status = store.read_status(orphaned)
    (left,) = orphans(orphaned, status)
    assert f"still runs (PID {left})" in store.summary(orphaned).reason
    assert CliRunner().invoke(status_line, [orphaned.id]).stdout.strip().endswith("TRAINER STILL RUNS")
    another = Run(orphaned.id, orphaned.folder.with_name("another"))
    assert not end_orphans(another, status), "its group's number could be somebody else's"
    result = CliRunner().invoke(stop, [orphaned.id])
    assert result.exit_code == 0
    assert has_ended(left)
    assert "still runs" not in store.summary(orphaned).reason


def test_resuming_ends_it_first(orphaned: Run, script_engine: Callable[..., Any]) -> None:
    (left,) = orphans(orphaned, store.read_status(orphaned))
    launch.resume(orphaned, script_engine(LAUNCHER))
    assert has_ended(left)
