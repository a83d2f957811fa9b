from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from loratui.cli.lora import change as lora_change
from tests.conftest import Loratui
from tests.support.random_loras import make_lora, small_checkpoint


def run(command: click.Command, *arguments: object) -> dict[str, Any]:
    """The JSON object that a command prints."""
    done = CliRunner().invoke(command, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_all_of_them_in_a_row(tmp_path: Path) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors")
    a = make_lora(tmp_path / "a.safetensors", seed=1, rank=4)
    b = make_lora(tmp_path / "b:2.safetensors", seed=2, rank=3)

    both = tmp_path / "both.safetensors"
    values = run(lora_change.merge, f"{a}:0.5", f"{b}", "-o", both)
    assert (values["out"], values["modules"], values["rank_most"]) == (str(both), 4, 7)

    tuned = tmp_path / "tuned.safetensors"
    values = run(lora_change.merge, base, f"{a}:0.5", b, "-o", tuned)
    assert (values["family"], values["modules"], values["tensors_changed"]) == ("sd15", [4, 4], 4)

    small = tmp_path / "small.safetensors"
    values = run(lora_change.resize, both, "--keep", 0.9, "-o", small, "--precision", "fp16")
    assert 0.9 <= values["kept_energy"] <= 1
    assert values["bytes"] == small.stat().st_size < values["bytes_before"]

    values = run(lora_change.extract, tuned, base, "--rank", 2, "-o", tmp_path / "diff.safetensors")
    assert (values["modules"], values["rank"]) == (3, 2)

    values = run(lora_change.dtype, tuned, "--precision", "bf16", "-o", tmp_path / "half.safetensors")
    assert values["tensors_changed"] == 8

    values = run(lora_change.convert, both, "-o", tmp_path / "peft.safetensors")
    assert (values["naming"], values["family"]) == ("diffusers", "sd15")


@pytest.mark.parametrize(
    "arguments",
    [
        ["merge", "a.safetensors"],
        ["merge", "a.safetensors", "b.safetensors"],
        ["merge", "base.safetensors", "a.safetensors", "-o", "x", "--rank", "4"],
        ["merge", "base.safetensors:0.5", "a.safetensors", "-o", "x"],
        ["merge", "base.safetensors", "a.safetensors:nan", "-o", "x"],
        ["resize", "a.safetensors", "-o", "x"],
        ["resize", "a.safetensors", "-o", "x", "--rank", "0"],
        ["resize", "a.safetensors", "-o", "x", "--rank", "4", "--keep", "0.5"],
        ["resize", "a.safetensors", "-o", "x", "--keep", "1.5"],
        ["extract", "base.safetensors", "base.safetensors", "-o", "x"],
        ["dtype", "a.safetensors", "-o", "x"],
        ["convert", "a.safetensors", "-o", "x", "--config", "y"],
    ],
)
def test_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    small_checkpoint(tmp_path / "base.safetensors")
    make_lora(tmp_path / "a.safetensors")
    command, *rest = arguments
    done = CliRunner().invoke(getattr(lora_change, command), rest)
    assert done.exit_code == 2, done.output
    assert not (tmp_path / "x").exists()


def test_a_refusal_is_a_sentence_and_exit_code_one(loratui: Loratui, tmp_path: Path) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors")
    lora = make_lora(tmp_path / "a.safetensors")
    done = loratui("lora", "merge", str(base), str(lora), "-o", str(base))
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "exists already" in line
    done = loratui("lora", "merge", str(base), str(tmp_path / "none.safetensors"), "-o", str(tmp_path / "x"))
    assert done.returncode == 1
    assert "there is no such file" in done.stderr
