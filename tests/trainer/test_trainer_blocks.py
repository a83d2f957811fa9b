"""Ranks, alphas and rates by block of the U-Net, as networks.lora reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from loratui import events
from loratui.trainer.lora.blocks import Blocks, block_number, blocks_in
from tests.trainer.conftest import Train


def read(*, sdxl: bool = False, convolution: tuple[int, float] | None = None, **given: str) -> Blocks:
    return read_all(given, sdxl, convolution)


def read_all(
    given: dict[str, str], sdxl: bool = False, convolution: tuple[int, float] | None = None
) -> Blocks:
    found = blocks_in(given, sdxl=sdxl, rank=4, alpha=2.0, convolution=convolution)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("name", "sdxl", "number"),
    [
        ("lora_unet_down_blocks_0_attentions_1_proj_in", False, 2),
        ("lora_unet_down_blocks_2_downsamplers_0_conv", False, 9),
        ("lora_unet_down_blocks_3_resnets_1_conv1", False, 11),
        ("lora_unet_mid_block_attentions_0_proj_in", False, 12),
        ("lora_unet_up_blocks_3_attentions_2_proj_out", False, 24),
        ("lora_unet_input_blocks_8_1_proj_in", True, 9),
        ("lora_unet_middle_block_1_proj_in", True, 11),
        ("lora_unet_output_blocks_5_1_proj_in", True, 18),
    ],
)
def test_the_number_of_a_block(name: str, sdxl: bool, number: int) -> None:
    assert block_number(name, sdxl=sdxl) == number


def test_rates_of_blocks() -> None:
    found = read(down_lr_weight="0,.5,.05", mid_lr_weight="2", block_lr_zero_threshold="0.1")
    assert found.rates == (0.0, 0.5, 0.0, *[1.0] * 9, 2.0, *[1.0] * 12)
    assert found.ranks == (0, 4, 0, *[4] * 22)
    curve = read(sdxl=True, up_lr_weight="linear+0.5", convolution=(2, 1.0))
    assert curve.rates == pytest.approx((*[1.0] * 13, *(0.5 + step / 8 for step in range(9)), 1.0))
    assert curve.convolution_ranks == (2,) * 23
    assert read(down_lr_weight="zeros", mid_lr_weight="1").ranks == (*[0] * 12, *[4] * 13)


@given(st.booleans(), st.data())
def test_each_block_has_its_own_size(sdxl: bool, data: st.DataObject) -> None:
    count = 23 if sdxl else 25
    ranks = data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count).filter(any))
    alphas = data.draw(st.lists(st.integers(0, 9), min_size=count, max_size=count))
    words = {"block_dims": ranks, "block_alphas": alphas}
    found = read_all({key: ",".join(map(str, value)) for key, value in words.items()}, sdxl)
    name = "lora_unet_middle_block_1_x" if sdxl else "lora_unet_up_blocks_1_attentions_0_x"
    place = block_number(name, sdxl=sdxl)
    wanted = (ranks[place], alphas[place] or ranks[place]) if ranks[place] else None
    assert found.size(name, pointwise=True) == wanted
    assert found.size(name, pointwise=False) is None


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"block_dims": "1,2"}, "25 numbers"),
        ({"block_dims": ",".join("x" * 25)}, "no list of numbers"),
        ({"block_dims": ",".join("0" * 25)}, "no block is left"),
        ({"conv_block_dims": ",".join("1" * 25)}, "without block_dims"),
        ({"down_lr_weight": "0.5"}, "cosine"),
        ({"mid_lr_weight": "nan"}, "nan"),
        ({"mid_lr_weight": "much"}, "no number"),
        ({"block_lr_zero_threshold": "0.1"}, "block_lr_zero_threshold"),
    ],
)
def test_what_cannot_be(given: dict[str, str], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        read_all(given)


def test_training_by_blocks(train: Train, tmp_path: Path) -> None:
    ranks = ",".join(str(1 + index % 3) for index in range(25))
    weights: dict[str, Any] = {"network_args": [f"block_dims={ranks}", "up_lr_weight=linear+x"]}
    told = train(**weights, max_train_steps=1)
    assert told.code == 2
    weights["network_args"][1] = "down_lr_weight=1,.5,.25,0,0,0,0,0,0,0,0,0"
    told = train(**weights, max_train_steps=1)
    assert told.code == 0
    rates = told.of(events.Step)[0].rates
    assert rates["unet_block1"] == pytest.approx(0.5e-2)
    tensors = load_file(tmp_path / "out" / "tiny.safetensors")
    for key, tensor in tensors.items():
        if key.endswith("lora_down.weight"):
            assert len(tensor) == 1 + block_number(key, sdxl=False) % 3
            assert f"unet_block{block_number(key, sdxl=False)}" in rates
