"""``loratui lora info`` and ``verify`` as a person and a program meet them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.loras import SD15, SD15_BASE, SDXL, base, kohya, write_arrays

METADATA = {
    "ss_sd_model_name": "base.safetensors",
    "ss_dataset_dirs": '{"10_anna\\u001b[2J": {"n_repeats": 10, "img_count": 20}}',
    "ss_tag_frequency": '{"10_anna": {"1girl": 20}}',
    "ss_steps": "100",
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_arrays(tmp_path / "hero.safetensors", kohya(SD15), METADATA)


def test_info(loratui: Any, file: Path) -> None:
    result = loratui("lora", "info", str(file))
    assert result.returncode == 0, result.stderr
    assert "LoRA for Stable Diffusion 1.x" in result.stdout
    assert "rank          4, alpha 2" in result.stdout
    assert "10_anna" in result.stdout
    assert "\x1b" not in result.stdout


def test_info_as_json(loratui: Any, file: Path) -> None:
    found = json.loads(loratui("lora", "info", str(file), "--json").stdout)
    wanted = {"family", "type", "rank", "alpha", "tensors", "bytes", "dtype", "metadata", "hashes"}
    assert wanted <= found.keys()
    assert (found["family"], found["type"], found["rank"], found["alpha"]) == ("sd15", "lora", 4, 2.0)
    assert found["metadata"]["ss_steps"] == "100"
    assert len(found["hashes"]["sha256"]) == 64
    assert {leak["key"] for leak in found["leaks"]} == set(METADATA) - {"ss_steps"}


def test_strip(loratui: Any, file: Path, tmp_path: Path) -> None:
    out = tmp_path / "public.safetensors"
    assert loratui("lora", "info", str(file), "--strip", str(out)).returncode == 0
    assert b"anna" not in out.read_bytes()
    again = loratui("lora", "info", str(file), "--strip", str(out))
    assert again.returncode == 1
    assert "not written over" in again.stderr


def test_verify(loratui: Any, file: Path, tmp_path: Path) -> None:
    model = base(tmp_path / "base.safetensors", SD15_BASE)
    result = loratui("lora", "verify", str(file), "--base", str(model))
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("ok: LoRA, sd15, 5 modules, 5 of them in the base model")
    bars = [line for line in result.stdout.splitlines() if line.endswith("#")]
    assert max(map(len, bars)) <= 80
    assert any("unet mid" in line for line in bars)


def test_verify_as_json(loratui: Any, file: Path) -> None:
    result = loratui("lora", "verify", str(file), "--json")
    found = json.loads(result.stdout)
    assert result.returncode == 0
    assert (found["ok"], found["problems"], found["modules"]) == (True, [], 5)
    assert found["strength"]["unet mid"] > 0


def test_verify_says_no(loratui: Any, tmp_path: Path) -> None:
    arrays = {key: value * np.float32(0) if "up" in key else value for key, value in kohya(SD15).items()}
    file = write_arrays(tmp_path / "dead.safetensors", arrays)
    result = loratui("lora", "verify", str(file))
    assert result.returncode == 1
    assert "does nothing" in result.stderr
    found = json.loads(loratui("lora", "verify", str(file), "--json").stdout)
    assert found["ok"] is False
    assert "does nothing" in found["problems"][0]["message"]


def test_the_wrong_base(loratui: Any, tmp_path: Path, file: Path) -> None:
    other = write_arrays(tmp_path / "xl.safetensors", kohya(SDXL))
    model = base(tmp_path / "base.safetensors", SD15_BASE)
    result = loratui("lora", "verify", str(other), "--base", str(model))
    assert result.returncode == 1
    assert "made for Stable Diffusion XL" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    result = loratui("lora", "verify", str(file), "--base", str(other))
    assert result.returncode == 1
    assert "this is a lora, not a base model" in result.stderr


@pytest.mark.parametrize("command", ["info", "verify"])
@pytest.mark.parametrize("content", [None, b"", b"\x80\x02}q\0.", b"\xff" * 20, b"\x10\0\0\0\0\0\0\0{}"])
def test_bad_files_get_one_sentence(
    loratui: Any, tmp_path: Path, command: str, content: bytes | None
) -> None:
    file = tmp_path / "bad.safetensors"
    if content is not None:
        file.write_bytes(content)
    result = loratui("lora", command, str(file))
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert str(file) in line
    assert "Traceback" not in line


def test_the_list_of_commands(loratui: Any) -> None:
    result = loratui("lora", "--help")
    assert result.returncode == 0
    looks, changes = ("info", "verify", "try", "proof"), ("merge", "resize", "extract", "dtype", "convert")
    for command in (*looks, *changes, "upload"):
        assert f"\n  {command}" in result.stdout
    assert loratui("lora", "inof").returncode == 2
