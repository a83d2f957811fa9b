from __future__ import annotations

from typing import get_args

import pytest

from loratui.advice.lora_parameters import PARTS
from loratui.advice.network import effective_rate, file_size_bytes, network_advice
from loratui.families import FAMILIES
from loratui.recipe import Network, Optimizer, Purpose, Recipe, flatten


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("purpose", get_args(Purpose))
def test_every_advice_is_a_recipe_without_contradiction(purpose: Purpose, family: str) -> None:
    advice = {one.key: one for one in network_advice(purpose, family)}
    assert list(advice) == [
        "network.rank",
        "network.alpha",
        "optimizer.unet_rate",
        "optimizer.text_encoder_rate",
    ]
    assert set(advice) <= set(flatten(Recipe(network=Network(), optimizer=Optimizer())))
    for one in advice.values():
        assert one.reason.endswith(".")
        assert one.source
        assert one.low <= (one.low if one.value is None else one.value) <= one.high
    rank, alpha = advice["network.rank"].value, advice["network.alpha"].value
    assert rank is not None
    assert alpha is not None
    assert alpha <= rank
    assert rank == int(rank)


def test_a_style_gets_more_room_on_sdxl() -> None:
    assert [one.value for one in network_advice("style", "sdxl")] == [32, 16, 1e-4, None]
    assert [one.value for one in network_advice("character", "sd15")] == [16, 8, 1e-4, 5e-5]


def test_effective_rate() -> None:
    assert effective_rate(1e-4, 32, 16) == pytest.approx(5e-5)


def test_every_family_that_is_trained_has_its_numbers() -> None:
    assert PARTS.keys() == FAMILIES.keys()
    for family in FAMILIES:
        plain, both = (file_size_bytes(family, 8, "bf16", text_encoders=text) for text in (False, True))
        assert plain is not None and both is not None
        assert both > plain if PARTS[family].text else both == plain


def test_file_sizes() -> None:
    # sd-scripts' own file, SD 1.5, rank 4, fp16, text encoder trained: 4.83 MB
    assert file_size_bytes("sd15", 4, "fp16", text_encoders=True) == pytest.approx(4.83e6, rel=0.02)
    assert file_size_bytes("sdxl", 32, "fp16") == pytest.approx(32 * 2.660e6 * 2, rel=0.01)
    assert file_size_bytes("sdxl", 32, "float") == pytest.approx(32 * 2.660e6 * 4, rel=0.01)
    # fluxgym's rank-4 files: 39 MB; rank 16 in lora_flux.py's own fp16: 153 MB
    assert file_size_bytes("flux", 4, "fp16") == pytest.approx(38.4e6, rel=0.01)
    assert file_size_bytes("zimage", 16, "fp16") is None
    assert file_size_bytes("sd15", 16, "int8") is None
