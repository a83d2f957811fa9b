"""``loratui setup kohya`` from nothing to an update that fails: real git, venv and pip, without a network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from loratui import kohya_checkout
from loratui.engines.kohya import status as kohya_status
from loratui.engines.kohya.setup import setup
from loratui.engines.kohya.setup.commands import Runner
from loratui.problems import UserError
from tests.support import sd_scripts
from tests.support.sd_scripts import Origin, git


@dataclass
class World:
    """A machine without a network."""

    home: Path
    origin: Origin
    python: Path
    wheels: Path
    env: dict[str, str]

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """``loratui setup kohya`` as a process."""
        done = subprocess.run(
            [sys.executable, "-m", "loratui", "setup", "kohya", *words],
            capture_output=True,
            text=True,
            timeout=120,
            env=self.env,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        return done

    def states(self, *words: str) -> dict[str, str]:
        """The state of each step, and of the whole."""
        found = json.loads(self.run(*words, "--json").stdout)
        self.last: dict[str, Any] = found
        return {step["name"]: step["state"] for step in found["steps"]}

    @property
    def checkout(self) -> Path:
        return self.home / "sd-scripts"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    origin = Origin(tmp_path / "git")
    python = sd_scripts.python_with_torch(tmp_path / "person")
    wheels = tmp_path / "wheels"
    sd_scripts.wheel(wheels, "tiny_cv2", "1.0", "cv2")
    sd_scripts.wheel(wheels, "dadaptation", "3.2", "dadaptation")
    home = tmp_path / "home"
    env = sd_scripts.environment(home, origin, wheels)
    for name in ("LORATUI_KOHYA", "LORATUI_KOHYA_PYTHON"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LORATUI_HOME", str(home))
    return World(home, origin, python, wheels, env)


def test_from_nothing_to_an_update_that_fails(world: World) -> None:
    first = ("--commit", world.origin.first, "--python", str(world.python), "--with", "dadaptation")

    planned = world.states(*first, "--dry-run")
    assert set(planned.values()) == {"to do"}
    assert not world.home.exists()

    _interrupt_while_building(world, first)
    status = kohya_status.status()
    assert not status.ready and "requirements" in status.detail and "loratui setup kohya" in status.fix

    went_on = world.states()
    assert went_on == {
        "code": "kept",
        "environment": "kept",
        "torch": "kept",
        "torchvision": "kept",
        "requirements": "done",
        "check": "done",
    }
    assert world.last["commit"] == world.origin.first
    assert kohya_status.status().ready
    assert kohya_checkout.find().python == world.checkout / "venv/bin/python"
    _environment_is_apart(world)

    assert set(world.states().values()) == {"kept"}

    better = world.origin.add(library__more_dot_py="")
    updated = world.states("--update")
    assert (world.last["commit"], world.last["previous"]) == (better, world.origin.first)
    assert {name for name, state in updated.items() if state == "done"} == {"code", "check"}

    world.states("--rollback")
    assert (world.last["commit"], world.last["previous"]) == (world.origin.first, better)
    world.states("--rollback")
    assert world.last["commit"] == better

    world.origin.add(library__train_util_dot_py="import something_new\n")
    failed = world.run("--update", code=1)
    assert "something_new" in failed.stderr and "is in place again" in failed.stderr
    assert kohya_checkout.head_commit(world.checkout) == better
    assert kohya_status.status().ready

    (world.checkout / "train_network.py").write_text("# mine\n")
    refused = world.run("--rollback", code=1)
    assert "train_network.py" in refused.stderr
    assert (world.checkout / "train_network.py").read_text() == "# mine\n"


def _interrupt_while_building(world: World, words: tuple[str, ...]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "loratui", "setup", "kohya", *words],
        env={**world.env, "SLOW_BUILD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A job in a shell's background ignores it, and hands that on to all it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    log = world.home / "kohya-setup.log"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and "-r requirements.txt" in log.read_text():
            break
        time.sleep(0.1)
    time.sleep(0.5)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 130, output
    assert "Run the same command again" in output and "Traceback" not in output


def _environment_is_apart(world: World) -> None:
    """It has the person's torch and what that needs, what was asked for, and nothing else of theirs."""
    code = (
        "import torch, torchvision, jinja3, cv2, dadaptation, library.train_util, importlib.util as u\n"
        "print(torch.__file__, u.find_spec('peft'))"
    )
    python = world.checkout / "venv" / "bin" / "python"
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout.split() == [str(world.home / "sd-scripts-torch/torch/__init__.py"), "None"]
    uninstall = [str(python), "-m", "pip", "uninstall", "--yes", "torch"]
    subprocess.run(uninstall, capture_output=True, env=world.env, check=False)
    assert (world.python.parents[1] / "lib").rglob("torch/__init__.py").__next__().exists()


def test_a_torch_that_cannot_be_used_is_not(world: World) -> None:
    site = next((world.python.parents[1] / "lib").glob("python3.*/site-packages"))
    (site / "torch" / "__init__.py").write_text("raise ImportError('libcudart.so.12: cannot open')\n")
    done = world.run("--python", str(world.python), "--torch", "reuse", code=1)
    assert "libcudart.so.12" in done.stderr and "--torch" in done.stderr
    plan = world.states("--python", str(world.python), "--dry-run")
    assert plan["torch"] == "to do"
    assert world.last["torch_from"].startswith("https://download.pytorch.org/whl/")
    assert not world.checkout.exists()


def test_what_somebody_else_put_there_is_left_alone(world: World) -> None:
    world.checkout.mkdir(parents=True)
    (world.checkout / "train_network.py").write_text("# mine\n")
    done = world.run(code=1)
    assert "--adopt" in done.stderr
    assert [path.name for path in world.checkout.iterdir()] == ["train_network.py"]


def test_a_repository_that_is_not_there_is_said_with_the_way_on(world: World) -> None:
    world.env["LORATUI_KOHYA_URL"] = str(world.home / "none.git")
    done = world.run("--python", str(world.python), code=1)
    assert "git" in done.stderr and "run the same command again" in done.stderr
    assert "none.git" in done.stderr


def test_one_setup_at_a_time(world: World) -> None:
    from loratui.engines.kohya.setup import record

    with record.alone():
        assert "another one is at work" in world.run("--python", str(world.python), code=1).stderr


@pytest.mark.parametrize("python", ["venv/bin/python", ".venv/bin/python", "venv/Scripts/python.exe"])
def test_adopting_a_checkout_changes_nothing_in_it(world: World, tmp_path: Path, python: str) -> None:
    mine = tmp_path / "mine"
    git(tmp_path, "clone", "-q", str(world.origin.bare), str(mine))
    path = mine / python
    path.parent.mkdir(parents=True)
    path.symlink_to(world.python)
    before = git(mine, "status", "--porcelain", "--ignored")
    world.run("--adopt", str(mine))
    assert git(mine, "status", "--porcelain", "--ignored") == before
    found = kohya_checkout.find()
    assert (found.folder, found.python, found.commit) == (mine, path, world.origin.first)
    assert kohya_status.status().ready
    refused = world.run("--update", code=1)
    assert str(mine) in refused.stderr and "--own" in refused.stderr


def test_adopting_with_a_python_from_elsewhere(world: World, tmp_path: Path) -> None:
    mine = tmp_path / "kohya_ss"
    git(tmp_path, "clone", "-q", str(world.origin.bare), str(mine / "sd-scripts"))
    assert "--python" in world.run("--adopt", str(mine), code=1).stderr
    assert "no program" in world.run("--adopt", str(mine), "--python", "/etc/passwd", code=1).stderr
    world.run("--adopt", str(mine), "--python", str(world.python))
    assert kohya_checkout.find().folder == mine / "sd-scripts"
    assert kohya_checkout.find().python == world.python
    setup.forget_adopted()
    assert kohya_checkout.find().source == "own"


def test_wrong_use(world: World, tmp_path: Path) -> None:
    world.run("--update", "--rollback", code=2)
    world.run("--with", "prodigy", code=2)
    world.run("--commit", "--upload-pack=touch x", code=1)
    assert "no earlier commit" in world.run("--rollback", code=1).stderr
    assert "train_network.py" in world.run("--adopt", str(tmp_path), code=1).stderr
    world.env["LORATUI_KOHYA"] = str(tmp_path)
    assert "unset LORATUI_KOHYA" in world.run(code=1).stderr


def test_a_command_that_fails_is_told_by_its_last_words(home: Path) -> None:
    said: list[str] = []
    words = (
        "echo Collecting torch; echo 'ERROR: Could not install: [Errno 28] No space left on device'; exit 1"
    )
    with pytest.raises(UserError) as failed:
        Runner(said.append).run("torch", ["sh", "-c", words])
    assert said == ["    Collecting torch"]
    assert "The disk is full" in str(failed.value) and "kohya-setup.log" in str(failed.value)
    assert "No space left" in (home / "kohya-setup.log").read_text()
