"""``loratui diagnose``: any log, from anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loratui.cli import output
from loratui.cli.diagnose import diagnose
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


def test_what_is_no_log_is_said_to_be_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    empty, begun = tmp_path / "empty", tmp_path / "begun"
    empty.write_bytes(b"")
    begun.write_text(OOM.splitlines()[0] + "\n")
    said = []
    for name in (empty, begun, tmp_path / "none"):
        with pytest.raises(SystemExit), output.no_tracebacks():
            diagnose([str(name)], standalone_mode=False)
            raise SystemExit
        said.append(capsys.readouterr().err)
    assert "it is empty, or not the log of a trainer" in said[0]
    assert "It ends before the run did" in said[1]
    assert said[2].endswith("none: No such file or directory. Check the path.\n")


def test_code_that_was_replaced_under_an_open_window_is_no_fault(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = []
    for started in (0.0, 4e9):
        monkeypatch.setattr(output, "_STARTED", started)
        with pytest.raises(SystemExit), output.no_tracebacks():
            raise ImportError("cannot import name 'x' from 'loratui.y'")
        said.append(capsys.readouterr().err)
    assert "loratui itself was updated" in said[0] and "Start it again: loratui" in said[0]
    assert "please report" in said[1]


def test_a_log_without_failure_is_fine(home: Path, loratui: Loratui, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text("a caption: CUDA out of memory\n")
    assert loratui("diagnose", str(path)).returncode == 0


def test_no_such_log(home: Path, loratui: Loratui, tmp_path: Path) -> None:
    for path in (tmp_path / "none.log", tmp_path):
        result = loratui("diagnose", str(path))
        assert result.returncode == 1
        assert str(path) in result.stderr and "Traceback" not in result.stderr
