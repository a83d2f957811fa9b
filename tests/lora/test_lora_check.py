"""``lora verify``: sound, alive, of a sensible strength, and made for that base model."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loratui.lora.checking.check import BURNT, NOTHING, Report, verify
from loratui.lora.files.base import read_base
from tests.support.loras import SD15, SD15_BASE, SDXL, SDXL_BASE, base, kohya, write_arrays

Q = "lora_unet_mid_block_attentions_0_proj_in"


def check(
    tmp_path: Path, arrays: dict[str, Any], base_file: Path | None = None, family: str = "sd15"
) -> Report:
    file = write_arrays(tmp_path / "lora.safetensors", arrays)
    return verify(file, read_base(base_file, family) if base_file else None)


def words(report: Report) -> str:
    assert all(problem.fix for problem in report.problems)
    return " ".join(problem.message for problem in report.problems)


def test_a_sound_one(tmp_path: Path) -> None:
    report = check(tmp_path, kohya(SD15))
    assert report.ok, report.problems
    assert (report.family, report.type, report.modules, report.tensors) == ("sd15", "lora", 5, 15)
    assert report.skipped == report.remarks == ()


def test_the_strength_is_the_norm_of_what_is_added(tmp_path: Path) -> None:
    arrays = kohya(SD15, rank=4, alpha=2)
    report = check(tmp_path, arrays, base(tmp_path / "base.safetensors", SD15_BASE))
    assert report.strength
    assert report.matched == 5
    added = {
        name: 0.5 * arrays[f"{name}.lora_up.weight"] @ arrays[f"{name}.lora_down.weight"] for name in SD15
    }
    up = "lora_unet_up_blocks_3_attentions_2_proj_out"
    assert report.strength.blocks["unet up 3"] == pytest.approx(float(np.linalg.norm(added[up])), rel=1e-5)
    total = math.sqrt(sum(float(np.linalg.norm(one)) ** 2 for one in added.values()))
    assert report.strength.overall == pytest.approx(total, rel=1e-5)
    weights = np.frombuffer(
        (tmp_path / "base.safetensors").read_bytes()[-8 * 16 * 2 - 8 * 8 * 2 : -8 * 16 * 2], "f2"
    ).astype("f8")
    expected = np.linalg.norm(added[up]) / np.linalg.norm(weights)
    assert report.strength.relative["unet up 3"] == pytest.approx(float(expected), rel=1e-5)
    assert not report.strength.estimated


def test_without_a_base_the_relative_strength_is_an_estimate(tmp_path: Path) -> None:
    report = check(tmp_path, kohya({Q: (300, 200)}))
    assert report.strength
    assert report.strength.estimated
    fresh = np.random.default_rng(0).uniform(-1, 1, (300, 200)) / math.sqrt(200)
    guessed = report.strength.overall / report.strength.overall_relative
    assert guessed == pytest.approx(float(np.linalg.norm(fresh)), rel=0.02)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_finite(tmp_path: Path, bad: float) -> None:
    arrays = kohya(SD15)
    arrays[f"{Q}.lora_up.weight"][3, 1] = bad
    report = check(tmp_path, arrays)
    assert not report.ok
    assert "NaN or infinite" in words(report)
    assert Q in words(report)
    assert report.strength
    assert "unet mid" not in report.strength.blocks


@pytest.mark.parametrize("part", ["lora_up", "lora_down"])
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_one_that_does_nothing(tmp_path: Path, part: str, zero: float) -> None:
    arrays = kohya(SD15)
    for name in SD15:
        arrays[f"{name}.{part}.weight"].fill(zero)
    report = check(tmp_path, arrays)
    assert "does nothing" in words(report)
    assert len(report.problems) == 1
    assert report.strength
    assert report.strength.overall == 0


def test_one_that_hardly_does_anything(tmp_path: Path) -> None:
    report = check(tmp_path, kohya(SD15, size=1e-4), base(tmp_path / "base.safetensors", SD15_BASE))
    assert report.strength
    assert 0 < report.strength.overall_relative < NOTHING
    assert "does nothing" in words(report)


def test_alpha_of_zero_does_nothing(tmp_path: Path) -> None:
    assert "does nothing" in words(check(tmp_path, kohya(SD15, alpha=0)))


def test_a_half_of_zeros_is_named(tmp_path: Path) -> None:
    arrays = kohya(SD15)
    arrays[f"{Q}.lora_up.weight"].fill(0)
    report = check(tmp_path, arrays)
    assert "1 of its 5 modules" in words(report)
    assert Q in words(report)


def test_layers_left_out_by_a_clip_skip_are_no_fault(tmp_path: Path) -> None:
    last = {f"lora_te_text_model_encoder_layers_11_self_attn_{letter}_proj": (6, 6) for letter in "qkv"}
    arrays = kohya(SD15 | last)
    for name in last:
        arrays[f"{name}.lora_up.weight"].fill(0)
    report = check(tmp_path, arrays)
    assert report.ok
    assert "clip skip" in " ".join(report.remarks)
    arrays["lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight"].fill(0)
    assert "1 of its 8 modules" in words(check(tmp_path, arrays))


def test_burnt(tmp_path: Path) -> None:
    strong = kohya(SD15, size=0.5)
    exact = check(tmp_path, strong, base(tmp_path / "base.safetensors", SD15_BASE))
    assert exact.strength
    assert exact.strength.overall_relative >= BURNT
    assert "burnt" in words(exact)
    guessed = check(tmp_path, kohya(SD15, size=2))
    assert guessed.ok
    assert "burnt" in " ".join(guessed.remarks)


def test_alpha_above_the_rank(tmp_path: Path) -> None:
    report = check(tmp_path, kohya(SD15, rank=2, alpha=16, size=0.002))
    assert "16 over 2 multiplies its effect by 8" in words(report)
    assert check(tmp_path, kohya(SD15, rank=4, alpha=4)).ok


@pytest.mark.parametrize(("lora", "shapes", "family"), [(SD15, SD15_BASE, "sd15"), (SDXL, SDXL_BASE, "sdxl")])
def test_it_fits_its_base(
    tmp_path: Path, lora: dict[str, tuple[int, int]], shapes: dict[str, tuple[int, ...]], family: str
) -> None:
    file = base(tmp_path / "base.safetensors", shapes)
    report = check(tmp_path, kohya(lora), file, family)
    assert report.ok, report.problems
    assert report.matched == len(lora)
    more = kohya(lora | {"lora_unet_mid_block_attentions_7_proj_in": (8, 8)})
    report = check(tmp_path, more, file, family)
    assert "1 of its" in words(report)
    assert "no place in base.safetensors" in words(report)


def test_another_width(tmp_path: Path) -> None:
    file = base(tmp_path / "base.safetensors", SD15_BASE)
    report = check(tmp_path, kohya(SD15 | {Q: (16, 12)}), file)
    assert "16 x 12 where the model has 16 x 16" in words(report)


def test_another_family(tmp_path: Path) -> None:
    report = check(tmp_path, kohya(SDXL), base(tmp_path / "base.safetensors", SD15_BASE))
    assert "made for Stable Diffusion XL" in words(report)
    assert report.matched == 0
    assert report.strength
    assert report.strength.estimated


def test_a_unet_alone_has_no_text_encoder_to_compare(tmp_path: Path) -> None:
    shapes = {name: shape for name, shape in SD15_BASE.items() if name.startswith("model.")}
    report = check(tmp_path, kohya(SD15), base(tmp_path / "base.safetensors", shapes))
    assert report.ok
    assert report.matched == 3
    assert "text encoder" in " ".join(report.skipped)


def test_loha_and_lokr_are_measured(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    halves = {
        f"hada_w{i}_{side}": random.normal(0, 0.2, shape).astype("f4")
        for i in (1, 2)
        for side, shape in (("a", (16, 2)), ("b", (2, 16)))
    }
    arrays = {f"{Q}.{part}": array for part, array in halves.items()} | {f"{Q}.alpha": np.float32(1)}
    report = check(tmp_path, arrays)
    whole = (halves["hada_w1_a"] @ halves["hada_w1_b"]) * (halves["hada_w2_a"] @ halves["hada_w2_b"]) / 2
    assert report.type == "loha"
    assert report.strength
    assert report.strength.overall == pytest.approx(float(np.linalg.norm(whole)), rel=1e-5)
    first, second = random.normal(0, 0.2, (4, 4)).astype("f4"), random.normal(0, 0.2, (4, 4)).astype("f4")
    report = check(tmp_path, {f"{Q}.lokr_w1": first, f"{Q}.lokr_w2": second, f"{Q}.alpha": np.float32(99)})
    assert report.ok
    assert report.strength
    assert report.strength.overall == pytest.approx(float(np.linalg.norm(np.kron(first, second))), rel=1e-5)


def test_what_cannot_be_measured_is_said(tmp_path: Path) -> None:
    report = check(tmp_path, {f"{Q}.weight": np.ones(8, "f4"), f"{Q}.on_input": np.float32(0)})
    assert report.ok
    assert report.strength is None
    assert "ia3" in " ".join(report.skipped)


def test_broken_modules_are_named(tmp_path: Path) -> None:
    arrays = kohya(SD15)
    del arrays[f"{Q}.lora_up.weight"]
    report = check(tmp_path, arrays)
    assert "1 of its 5 modules are broken" in words(report)
    assert "no up half" in words(report).replace("usable ", "")


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such file"), (b"\xff" * 30, "not a safetensors"), (b"", "empty")]
)
def test_what_does_not_open_is_not_ok(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "l.safetensors"
    if content is not None:
        file.write_bytes(content)
    report = verify(file)
    assert not report.ok
    assert said in words(report)


def test_a_file_cut_short_is_not_ok(tmp_path: Path) -> None:
    file = write_arrays(tmp_path / "l.safetensors", kohya(SD15))
    file.write_bytes(file.read_bytes()[:-10])
    assert "cut off" in words(verify(file))


def test_without_numpy_the_rest_is_still_checked(tmp_path: Path) -> None:
    arrays = kohya(SD15)
    arrays[f"{Q}.lora_up.weight"].fill(0)
    file = write_arrays(tmp_path / "l.safetensors", arrays)
    code = (
        "import sys; from pathlib import Path\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('numpy', 'torch'): raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, No())\n"
        "from loratui.lora.checking.check import verify\n"
        f"report = verify(Path({str(file)!r}))\n"
        "print(report.ok, len(report.problems), report.strength, *report.skipped)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False 1 None The strength was not measured")


def test_torch_is_never_needed(tmp_path: Path) -> None:
    file = write_arrays(tmp_path / "l.safetensors", kohya(SD15))
    code = (
        "import sys; from pathlib import Path; from loratui.lora.checking.check import verify;"
        f"assert verify(Path({str(file)!r})).strength; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
