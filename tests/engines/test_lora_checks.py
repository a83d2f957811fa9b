"""The LoRA to go on from is looked at before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.engines.checking.lora_checks import weights_problems
from loratui.recipe import Base, Network, Recipe
from loratui.recipe.document import FamilyName
from tests.support.tensors import write_shapes

UP = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_{}.weight"
SD15 = {UP.format("down"): (4, 768), UP.format("up"): (320, 4)}
VAE = {"encoder.down.0.block.0.conv1.weight": (4, 4, 3, 3), "decoder.conv_in.weight": (4, 4, 3, 3)}


def said(weights: Path | str, family: FamilyName | None = "sd15") -> str:
    recipe = Recipe(base=Base(model="m", family=family), network=Network(weights=str(weights)))
    return " ".join(map(str, weights_problems(recipe)))


def test_what_can_be_gone_on_from(tmp_path: Path) -> None:
    lora = write_shapes(tmp_path / "l.safetensors", SD15)
    pickled = tmp_path / "l.pt"
    pickled.write_bytes(b"PK")
    assert not said(lora) and not said(lora, "sd2") and not said(lora, None)
    assert not said(pickled), "sd-scripts reads these itself"
    assert not said("")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is not there"),
        ("folder", "is a folder"),
        (b"", "this file is empty"),
        (b"<!DOCTYPE html><html>denied</html>", "web page"),
        (VAE, "is no LoRA"),
    ],
)
def test_what_cannot(tmp_path: Path, content: object, words: str) -> None:
    path = tmp_path / "l.safetensors"
    if content == "folder":
        path.mkdir()
    elif isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        write_shapes(path, content)
    assert words in said(path)


def test_one_of_another_family_would_be_taken_and_not_used(tmp_path: Path) -> None:
    lora = write_shapes(tmp_path / "l.safetensors", SD15)
    assert "is a LoRA for sd15, and the base model is of sdxl" in said(lora, "sdxl")
