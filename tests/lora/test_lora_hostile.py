"""Any file whatever gives a report or one sentence."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loratui.formats.tensorfile import BITS, Tensor, read_header
from loratui.lora.checking.check import verify
from loratui.lora.files.base import read_base
from loratui.lora.files.numbers import read
from loratui.lora.info import read_info
from loratui.problems import UserError

NAMES = st.sampled_from(
    [
        "lora_unet_a",
        "lora_unet_input_blocks_0_0_op",
        "lora_unet_input_blocks_999_1_proj_in",
        "lora_te_text_model_encoder_layers_11_mlp_fc1",
        "unet.mid_block.attentions.0.proj_in",
        "transformer.x",
        "lora_unet_" + "7" * 5000,
        "",
    ]
)
ENDINGS = st.sampled_from(
    [
        ".alpha",
        ".lora_down.weight",
        ".lora_up.weight",
        ".lora_mid.weight",
        ".dora_scale",
        ".hada_w1_a",
        ".hada_w1_b",
        ".hada_w2_a",
        ".hada_w2_b",
        ".hada_t1",
        ".lokr_w1",
        ".lokr_w2_a",
        ".lokr_w2_b",
        ".lokr_t2",
        ".diff",
        ".lora_A.weight",
        ".lora_B.default.weight",
        ".on_input",
        ".weight",
        ".what",
    ]
)
SHAPES = st.lists(st.integers(0, 3), max_size=5)
TENSORS = st.dictionaries(
    st.tuples(NAMES, ENDINGS), st.tuples(SHAPES, st.sampled_from(sorted(BITS))), max_size=14
)


def write(path: Path, tensors: dict[tuple[str, str], tuple[list[int], str]], fill: bytes) -> Path:
    header: dict[str, Any] = {}
    at = 0
    for (name, ending), (shape, dtype) in tensors.items():
        bits = math.prod(shape) * BITS[dtype]
        if bits % 8:
            continue
        header[name + ending] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + bits // 8]}
        at += bits // 8
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + (fill * (at // len(fill) + 1))[:at])
    return path


@settings(max_examples=300, deadline=None)
@given(TENSORS, st.binary(min_size=1, max_size=24))
def test_any_tensors(
    tmp_path_factory: pytest.TempPathFactory,
    tensors: dict[tuple[str, str], tuple[list[int], str]],
    fill: bytes,
) -> None:
    path = write(tmp_path_factory.getbasetemp() / "hostile.safetensors", tensors, fill)
    try:
        base = read_base(path, None)
    except UserError:
        base = None
    for problem in verify(path, base).problems:
        assert len(str(problem).splitlines()) == 1
    verify(path)
    try:
        read_info(path)
    except UserError as error:
        assert len(str(error).splitlines()) == 1


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "bytes.safetensors"
    path.write_bytes(raw)
    assert not verify(path).ok
    with pytest.raises(UserError):
        read_info(path)


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "BF16", "F16"])
def test_numbers_are_torchs(tmp_path: Path, dtype: str) -> None:
    import torch
    from safetensors.torch import save_file

    kinds = {"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "BF16": torch.bfloat16}
    kind = kinds.get(dtype, torch.float16)
    codes = torch.arange(256, dtype=torch.uint8)
    if dtype in ("BF16", "F16"):
        codes = torch.arange(65536, dtype=torch.int32).to(torch.uint16).view(torch.uint8)
    tensor = codes.view(kind)
    save_file({"x": tensor}, tmp_path / "x.safetensors")
    header = read_header(tmp_path / "x.safetensors")
    assert header.tensors["x"].dtype == dtype
    with (tmp_path / "x.safetensors").open("rb") as file:
        ours = torch.from_numpy(read(file, header.data_start, header.tensors["x"]).copy())
    assert torch.equal(ours.nan_to_num(7777.0), tensor.float().nan_to_num(7777.0))


def test_a_part_of_the_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.bin"
    path.write_bytes(bytes(range(12)))
    with path.open("rb") as file:
        assert read(file, 0, Tensor("U8", (6, 2), 0, 12), (2, 4)).tolist() == [[4, 5], [6, 7]]
