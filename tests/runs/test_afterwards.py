"""Word of what no supervisor can tell of: its own death, and a run that never began."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

from loratui.recipe import Recipe, change
from loratui.runs import layout, notify, store
from loratui.runs.process import ProcessIdentity
from loratui.runs.queueing import queue_file
from loratui.runs.queueing.queue_worker import Worker
from loratui.runs.store import Run, Status

Call = Callable[..., tuple[int, object, str]]


def settings(text: str) -> None:
    notify.settings_path().write_text(text)
    notify.settings_path().chmod(0o600)


def test_word_of_a_run_that_is_lost_comes_once(
    begin: Callable[..., Run],
    until: Callable[..., object],
    tmp_path: Path,
    call: Callable[..., tuple[int, object, str]],
) -> None:
    """The guard of a killed supervisor tells, with nobody looking."""
    told = tmp_path / "told"
    settings(f'[[send]]\nkind = "command"\nargv = ["sh", "-c", "echo $LORATUI_STATE >> {told}"]\n')
    run = begin("plan(9); step(1); time.sleep(60)")
    until(lambda: (now := store.read_status(run)) and now.step)
    status = store.read_status(run)
    assert status is not None and status.supervisor is not None
    os.kill(status.supervisor.pid, signal.SIGKILL)
    until(lambda: told.exists() and told.read_text())
    assert told.read_text() == "lost\n"
    assert call("runs")[0] == 0 and "LOST" in str(call("status")[1])
    assert told.read_text() == "lost\n"


def test_word_of_a_lost_run_by_whoever_finds_it(
    home: Path,
    recipe: Recipe,
    until: Callable[..., object],
    tmp_path: Path,
    call: Call,
) -> None:
    """The machine was restarted: no guard was left. One that cannot start from the queue is told of, too."""
    told = tmp_path / "told"
    settings(f'[[send]]\nkind = "command"\nargv = ["sh", "-c", "echo $LORATUI_TEXT >> {told}"]\n')
    run = store.create(recipe, "builtin")
    layout.write_status(run, Status("running", step=7, supervisor=ProcessIdentity(1, 1, "another boot")))
    call("status")
    until(lambda: told.exists() and "hero lost at step 7" in told.read_text())
    call("status")
    waiting = store.create(change(recipe, {"base.model": "/nowhere.safetensors"}), "builtin", state="queued")
    queue_file.change(lambda now: queue_file.Queue((waiting.id,)))
    Worker().turn()
    until(lambda: "It could not be started" in told.read_text())
    assert told.read_text().count("hero lost") == 1
