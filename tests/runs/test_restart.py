"""A machine that comes up again: word of what was lost, runs that go on, and the line that has it done."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from loratui.recipe import Recipe
from loratui.runs import launch, layout, notify, store
from loratui.runs.process import ProcessIdentity
from loratui.runs.queueing import queue_file
from loratui.runs.rental import at_restart, restart
from loratui.runs.store import Run, Status

Call = Callable[..., tuple[int, object, str]]


@pytest.fixture
def lost(home: Path, recipe: Recipe) -> Run:
    """A run that trained when the machine went down."""
    run = store.create(recipe, "builtin", 9)
    layout.write_status(
        run, Status("running", step=7, total_steps=9, supervisor=ProcessIdentity(1, 1, "another boot"))
    )
    return run


def test_a_lost_run_is_told_of_once_and_says_why_it_does_not_go_on(
    lost: Run, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is there at the second try only."""
    told, gate = tmp_path / "told", tmp_path / "gate"
    script = f"[ -e {gate} ] && echo $LORATUI_TEXT >> {told} || {{ touch {gate}; exit 1; }}"
    notify.settings_path().write_text(f'[[send]]\nkind = "command"\nargv = ["sh", "-c", "{script}"]\n')
    notify.settings_path().chmod(0o600)
    monkeypatch.setattr(restart, "RETRIES", (0.0, 0.0, 0.0))
    code, printed, _ = call("after-restart", "--resume", "--json")
    assert (code, printed) == (0, {"lost": [lost.id], "resumed": [], "waiting": 0, "known": []})
    assert told.read_text().count("hero lost at step 7 of 9") == 1
    assert "It saved no state to go on from." in told.read_text()
    again = {"lost": [], "resumed": [], "waiting": 0, "known": [lost.id]}
    assert call("after-restart", "--resume", "--json")[1] == again
    assert f"stays so: loratui resume {lost.id}" in call("after-restart", "--resume")[2]
    assert len(told.read_text().splitlines()) == 1


def test_only_where_asked_for_it_goes_on_and_not_without_its_gpu(
    lost: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone_on: list[str] = []
    monkeypatch.setattr(launch, "newest_state", lambda run: run.folder)
    monkeypatch.setattr(launch, "resume", lambda run, engine: gone_on.append(run.id))
    monkeypatch.setattr(restart, "GPU_WITHIN", -1.0)
    marks = lost.folder / "lost-attempt1"
    for resume, had_gpu, expected in ((False, False, 0), (True, True, 0), (True, False, 1)):
        status = layout.read_status(lost)
        assert status is not None
        layout.write_status(lost, msgspec.structs.replace(status, gpu="RTX 4090" if had_gpu else ""))
        said: list[str] = []
        found = restart.after_restart(resume, said.append)
        assert len(found.resumed) == len(gone_on) == expected
        assert ("without its GPU" in said[0]) == (resume and had_gpu)
        marks.unlink()


def test_the_queue_goes_on(home: Path, recipe: Recipe, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = store.create(recipe, "builtin", state="queued")
    queue_file.change(lambda now: queue_file.Queue((waiting.id,)))
    woken: list[int] = []
    monkeypatch.setattr("loratui.runs.queueing.queue.wake", lambda: woken.append(1))
    assert call("after-restart", "--json")[1] == {"lost": [], "resumed": [], "waiting": 1, "known": []}
    assert woken


CRONTAB = """#!/bin/sh
if [ "$1" = -l ]; then cat $FILE 2>/dev/null || { echo "no crontab" >&2; exit 1; }; else cat > $FILE; fi
"""


@pytest.mark.parametrize("kind", ["crontab", "onstart", "profile"])
def test_the_line_is_shown_put_in_its_place_and_taken_out_again(
    home: Path, tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    file = tmp_path / "place"
    monkeypatch.setenv("HOME", str(tmp_path))
    if kind == "crontab":
        program = tmp_path / "bin/crontab"
        program.parent.mkdir()
        program.write_text(CRONTAB)
        program.chmod(0o755)
        monkeypatch.setenv("FILE", str(file))
        monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    else:
        file = tmp_path / (".profile" if kind == "profile" else "onstart.sh")
        monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(at_restart, "_cron_runs", lambda: kind == "crontab")
    monkeypatch.setattr(at_restart, "ONSTART", tmp_path / "onstart.sh")
    if kind == "onstart":
        monkeypatch.setenv("CONTAINER_ID", "123")
        monkeypatch.setenv("CONTAINER_API_KEY", "key")
    file.write_text("PERSONS=own\n")
    shown = call("after-restart", "--show", "--resume", "--json")[1]
    assert isinstance(shown, dict) and shown["kind"] == kind and not shown["installed"]
    assert file.read_text() == "PERSONS=own\n"
    for _ in range(2):  # an older line is replaced
        assert call("after-restart", "--install", "--resume", "--yes")[0] == 0
    own, line = file.read_text().splitlines()
    assert own == "PERSONS=own" and line == shown["line"]
    assert f"LORATUI_HOME={home}" in line and "key" not in line.replace("crontab", "")
    run = line.removeprefix("@reboot ").replace("\\%", "%")
    subprocess.run(["sh", "-c", f"{run}\nwait"], check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert "No run was lost" in (home / "restart.log").read_text()
    assert (home / "restart.log").stat().st_mode & 0o777 == 0o600
    assert call("after-restart", "--remove")[0] == 0
    assert file.read_text() == "PERSONS=own\n"


def test_on_runpod_the_line_is_for_the_start_command_and_not_installed(
    home: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_POD_ID", "abc123")
    code, printed, said = call("after-restart", "--install", "--yes")
    assert code == 1 and "start command" in said
    assert str(printed).startswith("bash -c '(umask 077; ") and str(printed).rstrip().endswith(
        "exec /start.sh'"
    )
