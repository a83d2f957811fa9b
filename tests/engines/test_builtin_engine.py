"""What the builtin engine takes and what it refuses, before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from loratui.engines.builtin import BuiltinEngine
from loratui.recipe import Base, Network, Recipe


def refused(**parts: Any) -> set[str]:
    """Keys of the settings it refuses; files that are not there do not count."""
    return {problem.key for problem in BuiltinEngine().supports(Recipe(**parts))}


@pytest.mark.parametrize("kind", ["lora", "locon"])
def test_networks_it_trains(kind: Any) -> None:
    assert "network.type" not in refused(network=Network(type=kind, conv_rank=4))


@pytest.mark.parametrize("kind", ["loha", "lokr"])
def test_networks_it_leaves_to_sd_scripts(kind: Any) -> None:
    assert "network.type" in refused(network=Network(type=kind))


def test_zero_terminal_snr_goes_with_v_prediction_only() -> None:
    key = "base.zero_terminal_snr"
    assert key not in refused(base=Base(model="m", zero_terminal_snr=True, prediction="v"))
    assert key in refused(base=Base(model="m", zero_terminal_snr=True, prediction="epsilon"))


def test_settings_passed_on() -> None:
    assert "kohya.min_snr_gamma" not in refused(kohya={"min_snr_gamma": 5.0})
    assert "kohya.masked_loss" in refused(kohya={"masked_loss": True})
