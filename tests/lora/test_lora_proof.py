"""The proof that diffusers takes a file: it holds for sound files, and can fail."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from loratui.builtin import lora_request
from loratui.builtin.lora_request import ProofAnswer, ProofRequest
from loratui.cli.lora.process import _failed
from loratui.lora.files.base import read_base
from loratui.lora.files.placing import place
from loratui.problems import UserError
from loratui.trainer.proof import prove
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.stopping import StopRequest
from tests.support.random_loras import make_lora, targets


def asked(base: Path, family: str, file: Path, answer: Path) -> ProofRequest:
    return ProofRequest(str(base), family, place(file, read_base(base, family)), str(answer))


def proved(request: ProofRequest) -> ProofAnswer:
    assert prove(request, Reporter(lambda event: None), StopRequest()) == 0
    return lora_request.read(Path(request.answer), ProofAnswer)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_diffusers_draws_what_we_draw(tiny_models: Path, tmp_path: Path, family: str) -> None:
    modules = targets(tiny_models / family, convolutions=True)
    file = make_lora(tmp_path / "hero.safetensors", modules, rank=4, alpha=3.0, size=0.15)
    request = asked(tiny_models / family, family, file, tmp_path / "answer.json")
    answer = proved(request)
    assert answer.problems == ()
    assert answer.modules == len(modules)
    assert answer.max_error is not None
    assert answer.max_error <= 1e-4
    assert answer.change is not None
    assert answer.change > 0.01

    stronger = msgspec.structs.replace(request.lora.modules[-1], scale=1.0)
    wrong = msgspec.structs.replace(
        request, lora=lora_request.LoraFile(str(file), (*request.lora.modules[:-1], stronger))
    )
    assert "answers otherwise than ours" in proved(wrong).problems[0]


def test_a_lora_that_does_nothing_is_no_proof(tiny_models: Path, tmp_path: Path) -> None:
    file = make_lora(tmp_path / "hero.safetensors", targets(tiny_models / "sd15"), size=0.0)
    answer = proved(asked(tiny_models / "sd15", "sd15", file, tmp_path / "answer.json"))
    assert "the same with it and without" in answer.problems[0]


def test_the_command(loratui: Any, tiny_models: Path, tmp_path: Path) -> None:
    file = make_lora(tmp_path / "my hero.safetensors", targets(tiny_models / "sd15"), rank=2)
    result = loratui("lora", "proof", str(file), "--base", str(tiny_models / "sd15"), "--json")
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert found.keys() == {
        "ok", "modules", "max_error", "change", "problems", "offline_lora", "offline_lora_filename",
    }  # fmt: skip
    assert found["ok"] is True
    assert (found["offline_lora"], found["offline_lora_filename"]) == (str(tmp_path), file.name)
    refused = loratui("lora", "proof", str(file), "--base", str(tiny_models / "sdxl"))
    assert refused.returncode == 1
    assert len(refused.stderr.strip().splitlines()) == 1


def test_a_broken_model_is_a_sentence(tiny_models: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_models / "sd15", model)
    (model / "text_encoder" / "config.json").write_text("{}")
    file = make_lora(tmp_path / "hero.safetensors", targets(tiny_models / "sd15"), rank=2)
    with pytest.raises(UserError, match="cannot be loaded"):
        proved(asked(model, "sd15", file, tmp_path / "answer.json"))


def test_how_a_process_failed_is_told_and_its_log_kept(home: Path) -> None:
    traceback = "Traceback (most recent call last):\nValueError: why"
    assert "broke off unexpectedly: ValueError: why" in str(_failed("", 1, traceback))
    assert "exit code -9" in str(_failed("", -9, ""))
    assert str(_failed("model.safetensors: broken.", 1, "a warning")) == "model.safetensors: broken."
    told = str(_failed("It broke off.", 1, traceback))
    assert told == f"It broke off. The log is in {home / 'error.log'}."
    assert (home / "error.log").read_text() == traceback
