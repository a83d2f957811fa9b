from __future__ import annotations

import math
import struct
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.formats.tensorfile import read_header
from loratui.lora.checking.verify import not_finite, problems
from tests.support.tensors import write_bytes, write_shapes

NAME = "lora_unet_mid_block_attentions_0_proj_in.lora_down.weight"


def encode(dtype: str, values: list[float]) -> bytes:
    if dtype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{ {'F16': 'e', 'F32': 'f', 'F64': 'd'}[dtype] }", *values)


def lora(tmp_path: Path, dtype: str, values: list[float]) -> Path:
    return write_bytes(tmp_path / "lora.safetensors", {NAME: (dtype, encode(dtype, values))})


LARGEST = {
    "F16": 65504.0,
    "F32": 3.4028234663852886e38,
    "F64": sys.float_info.max,
    "BF16": 3.3895313892515355e38,
}


@pytest.mark.parametrize("dtype", LARGEST)
def test_sound_numbers_up_to_the_largest(tmp_path: Path, dtype: str) -> None:
    largest = LARGEST[dtype]
    values = [0.0, -0.0, 1.0, -1.0, 0.02, 1e-7, largest, -largest, largest / 2]
    assert problems(lora(tmp_path, dtype, values)) == []


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("bad", [math.nan, -math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_number_is_found_anywhere(tmp_path: Path, dtype: str, bad: float, place: int) -> None:
    values = [0.02, -1.0]
    values.insert(place, bad)
    (problem,) = problems(lora(tmp_path, dtype, values))
    assert "1 of its 1 tensors hold NaN or infinite" in problem.message
    assert NAME in problem.message
    assert problem.fix


@pytest.mark.parametrize("dtype", LARGEST)
def test_a_bad_number_behind_the_first_chunk(tmp_path: Path, dtype: str) -> None:
    values = [Random(1).gauss(0, 0.02)] * 2_200_000
    assert problems(lora(tmp_path, dtype, values)) == []
    assert problems(lora(tmp_path, dtype, [*values, math.nan, 1.0]))


@given(st.binary(min_size=2, max_size=64).filter(lambda raw: len(raw) % 2 == 0))
def test_any_half_floats_agree_with_python(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    file = write_bytes(tmp_path_factory.getbasetemp() / "any.safetensors", {NAME: ("F16", raw)})
    finite = all(math.isfinite(value) for (value,) in struct.iter_unpack("<e", raw))
    assert (problems(file) == []) is finite


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_any_floats_agree_with_python(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    file = tmp_path_factory.getbasetemp() / "floats.safetensors"
    for dtype in ("F32", "F64", "BF16"):
        write_bytes(file, {NAME: (dtype, encode(dtype, values))})
        finite = all(
            # a bfloat16 keeps the upper half of the bits, and NaN may become infinite: both are bad
            math.isfinite(value)
            for value in values
        )
        assert (problems(file) == []) is finite


def test_bad_tensors_are_named_and_whole_numbers_left_alone(tmp_path: Path) -> None:
    file = write_bytes(
        tmp_path / "lora.safetensors",
        {
            NAME: ("F16", encode("F16", [1.0])),
            "lora_unet_a.lora_up.weight": ("F16", encode("F16", [math.nan])),
            "lora_unet_a.alpha": ("I64", b"\xff" * 8),
        },
    )
    assert list(not_finite(file, read_header(file))) == ["lora_unet_a.lora_up.weight"]
    assert "1 of its 3 tensors" in problems(file)[0].message


def test_no_lora_in_it(tmp_path: Path) -> None:
    file = write_shapes(tmp_path / "model.safetensors", {"model.diffusion_model.out.weight": (4, 4)})
    assert ["no LoRA weights" in problem.message for problem in problems(file)] == [True]


@pytest.mark.parametrize(
    "name",
    [
        "lora_te_text_model_encoder_layers_0_mlp_fc1.lora_up.weight",
        "lora_te1_text_model_encoder_layers_0_mlp_fc1.alpha",
        "lora_unet_double_blocks_0_img_attn_proj.lora_down.weight",
        "unet.down_blocks.0.attentions.0.to_q.lora_A.weight",
        "transformer.x.lora_B.default.weight",
        "lycoris_blocks_0.hada_w1_a",
    ],
)
def test_lora_names(tmp_path: Path, name: str) -> None:
    assert problems(write_shapes(tmp_path / "lora.safetensors", {name: (4, 4)})) == []


def test_a_file_that_does_not_open(tmp_path: Path) -> None:
    file = lora(tmp_path, "F16", [1.0, 2.0])
    file.write_bytes(file.read_bytes()[:-1])
    assert "cut off" in problems(file)[0].message
    assert "no such file" in problems(tmp_path / "gone.safetensors")[0].message


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'torch', 'numpy', 'safetensors'}"
    code = f"import sys, loratui.lora.checking.verify; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
