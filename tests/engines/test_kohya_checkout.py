"""Which sd-scripts the kohya engine uses, and what it says when something of it is missing."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from loratui import kohya_checkout
from loratui.engines.kohya import status as kohya_status


@pytest.fixture(autouse=True)
def _nothing_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (kohya_checkout.FOLDER_VARIABLE, kohya_checkout.PYTHON_VARIABLE):
        monkeypatch.delenv(name, raising=False)


def make(folder: Path, python: str | None = "venv/bin/python") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train_network.py").touch()
    if python:
        path = folder / python
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        path.chmod(0o755)
    return folder


@pytest.mark.parametrize("python", ["venv/bin/python", ".venv/bin/python", "venv/Scripts/python.exe"])
def test_virtual_environments_of_every_layout(tmp_path: Path, python: str) -> None:
    folder = make(tmp_path / "sd", python)
    assert kohya_checkout.at(folder, "own").python == folder / python


def test_the_virtual_environment_of_kohya_ss_lies_beside(tmp_path: Path) -> None:
    folder = make(tmp_path / "kohya_ss" / "sd-scripts", "../venv/bin/python")
    assert kohya_checkout.at(folder, "own").python == tmp_path / "kohya_ss/venv/bin/python"


def test_who_names_the_checkout(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own, adopted, named = (make(tmp_path / name) for name in ("home/sd-scripts", "adopted", "named"))
    assert (kohya_checkout.find().folder, kohya_checkout.find().source) == (own, "own")
    kohya_checkout.record_path().write_text(json.dumps({"adopted": str(adopted)}))
    assert (kohya_checkout.find().folder, kohya_checkout.find().source) == (adopted, "adopted")
    monkeypatch.setenv(kohya_checkout.FOLDER_VARIABLE, str(named))
    assert (kohya_checkout.find().folder, kohya_checkout.find().source) == (named, "variable")


def test_a_python_that_is_named_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make(tmp_path / "sd")
    monkeypatch.setenv(kohya_checkout.PYTHON_VARIABLE, "/bin/sh")
    assert kohya_checkout.at(folder, "variable").python == Path("/bin/sh")
    monkeypatch.setenv(kohya_checkout.PYTHON_VARIABLE, "/nowhere/python")
    assert kohya_checkout.at(folder, "variable").python is None


def git(folder: Path, *words: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_read_without_git(tmp_path: Path) -> None:
    folder = make(tmp_path / "sd", None)
    assert kohya_checkout.head_commit(folder) is None
    git(folder, "init", "-q")
    assert kohya_checkout.head_commit(folder) is None
    git(folder, "commit", "-q", "--allow-empty", "-m", "one")
    commit = git(folder, "rev-parse", "HEAD")
    assert kohya_checkout.head_commit(folder) == commit
    git(folder, "pack-refs", "--all")
    assert kohya_checkout.head_commit(folder) == commit
    git(folder, "checkout", "-q", "--detach")
    assert kohya_checkout.head_commit(folder) == commit
    git(folder, "worktree", "add", "-q", "-b", "other", str(tmp_path / "tree"))
    assert kohya_checkout.head_commit(tmp_path / "tree") == commit


def test_status_says_what_to_type(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = kohya_status.status()
    assert not found.ready and found.fix.endswith("loratui setup kohya")
    folder = make(home / "sd-scripts", None)
    assert "no virtual environment" in kohya_status.status().detail
    make(folder)
    assert kohya_status.status().ready
    kohya_checkout.record_path().write_text('{"doing": "requirements"}')
    assert "requirements" in kohya_status.status().detail
    monkeypatch.setenv(kohya_checkout.FOLDER_VARIABLE, str(tmp_path / "gone"))
    assert kohya_checkout.FOLDER_VARIABLE in kohya_status.status().fix


def test_what_the_doctor_found_is_said_until_it_is_mended(home: Path) -> None:
    make(home / "sd-scripts")
    checkout = kohya_checkout.find()
    kohya_checkout.remember_trouble(checkout, "torchvision cannot be imported", "Mend it.")
    assert kohya_status.status().detail == "torchvision cannot be imported"
    assert [problem.key for problem in kohya_status.problems("train_network")] == ["launch.engine"]
    kohya_checkout.remember_trouble(checkout, "", "")
    assert kohya_status.status().ready
    assert list(kohya_status.problems("train_network")) == []
    assert [problem.message for problem in kohya_status.problems("flux_train_network")] != []


def test_a_damaged_record_is_no_record(home: Path) -> None:
    make(home / "sd-scripts")
    kohya_checkout.record_path().write_bytes(b"\xff{")
    kohya_checkout.trouble_path().write_text("[]")
    assert kohya_status.status().ready
