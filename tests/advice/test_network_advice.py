from __future__ import annotations

from typing import Any, get_args

import pytest

from loratui.advice.lora_parameters import PARTS
from loratui.advice.lora_scale import in_words, scale
from loratui.advice.network import file_size_bytes, network_advice
from loratui.families import FAMILIES
from loratui.recipe import Network, Optimizer, Purpose, Recipe, change, flatten


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


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"network.rank": 32, "network.alpha": 16.0}, (0.5,)),
        ({"network.type": "loha", "network.rank": 4, "network.alpha": 1.0}, (0.25,)),
        ({"network.type": "lokr", "network.rank": 8, "network.alpha": 1.0}, (0.125,)),
        ({"network.type": "lokr", "network.rank": 16, "network.alpha": 1.0}, (1 / 16, "some")),
        ({"network.type": "lokr", "network.rank": 100_000, "network.alpha": 1.0}, (1.0, "all")),
        ({"network.type": "lokr", "kohya.network_args": ["full_matrix=True"]}, (1.0, "all")),
        ({"network.type": "lokr", "network.rank": 64, "kohya.network_args": ["factor=8"]}, (0.125, "some")),
        (
            {"network.type": "lokr", "network.alpha": 2.0, "kohya.network_args": ["rs_lora=1"]},
            (0.5, "some"),
        ),
        ({"network.alpha": 16.0, "kohya.network_args": ["algo=lokr", "full_matrix=1"]}, (1.0, "all")),
    ],
)
def test_what_alpha_makes_of_the_rate(changes: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = scale(change(Recipe(), changes))
    factor, ignored = (*expected, "")[:2]
    assert found.factor == pytest.approx(factor)
    assert found.ignored == ignored
    assert found.most == (1.0 if ignored else factor)
    assert ("alpha is left out" in in_words(change(Recipe(), changes))) == (ignored == "all")


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
