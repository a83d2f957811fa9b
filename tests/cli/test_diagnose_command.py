"""``loratui diagnose``: any log, from anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Loratui

OOM = (
    "steps:  1%|# | 3/40 [00:01<00:09,  1.0it/s, avr_loss=0.5]\ntorch.OutOfMemoryError: CUDA out of memory\n"
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a log.txt"
    path.write_text(OOM, encoding="utf-8")
    return path


def test_json(home: Path, loratui: Loratui, log: Path) -> None:
    result = loratui("diagnose", str(log), "--json")
    found = json.loads(result.stdout)
    assert result.returncode == 1
    assert set(found) == {"verdict", "step", "total_steps", "loss", "hints"}
    assert (found["verdict"], found["step"], found["total_steps"], found["loss"]) == ("failed", 3, 40, 0.5)
    assert set(found["hints"][0]) == {"key", "severity", "line", "cause", "fix", "change"}
    assert (found["hints"][0]["key"], found["hints"][0]["severity"]) == ("oom_cuda", "fatal")


def test_words(home: Path, loratui: Loratui, log: Path) -> None:
    result = loratui("diagnose", str(log))
    assert result.stdout.startswith("failed: step 3 of 40, loss 0.5\n")
    assert "oom_cuda" in result.stdout and "steps.batch_size" in result.stdout


def test_a_log_without_failure_is_fine(home: Path, loratui: Loratui, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a caption: CUDA out of memory\n")
    assert loratui("diagnose", str(path)).returncode == 0


def test_no_such_log(home: Path, loratui: Loratui, tmp_path: Path) -> None:
    for path in (tmp_path / "none.log", tmp_path):
        result = loratui("diagnose", str(path))
        assert result.returncode == 1
        assert str(path) in result.stderr and "Traceback" not in result.stderr
