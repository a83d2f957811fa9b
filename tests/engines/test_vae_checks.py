"""A VAE is looked at before anything starts, and named as one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loratui.engines.checking.vae_checks import vae_problems
from loratui.recipe import Base, Launch, Recipe
from loratui.recipe.document import EngineName
from tests.support.tensors import write_shapes

DIFFUSERS = {
    "encoder.down_blocks.0.resnets.0.conv1.weight": (4, 4, 3, 3),
    "decoder.conv_in.weight": (4, 4, 3, 3),
}
STABILITY = {"encoder.down.0.block.0.conv1.weight": (4, 4, 3, 3), "decoder.conv_in.weight": (4, 4, 3, 3)}


def said(vae: Path | str, engine: EngineName = "kohya") -> list[tuple[str, str, str]]:
    recipe = Recipe(base=Base(model="m", family="sd15", vae=str(vae)), launch=Launch(engine=engine))
    return [(problem.key, problem.message, problem.fix) for problem in vae_problems(recipe)]


def test_a_file_in_diffusers_names_is_refused_where_sd_scripts_would_die(tmp_path: Path) -> None:
    path = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    path.parent.mkdir()
    write_shapes(path, DIFFUSERS)
    assert not said(path, "builtin")
    ((key, message, fix),) = said(path)
    assert key == "base.vae" and "is a VAE in diffusers' names" in message and "Give its folder;" in fix
    (path.parent / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    assert f"Give its folder: {path.parent};" in said(path)[0][2]
    assert not said(path.parent)


def test_what_is_none(tmp_path: Path) -> None:
    good, lora, pickled = (tmp_path / name for name in ("v.safetensors", "l.safetensors", "v.pt"))
    write_shapes(good, STABILITY)
    write_shapes(lora, {"lora_unet_a.lora_down.weight": (4, 8), "lora_unet_a.lora_up.weight": (8, 4)})
    pickled.write_bytes(b"PK")
    assert not said(good)
    assert "is no VAE" in said(lora)[0][1]
    assert "pickled" in said(pickled)[0][1]
    assert "there is no such VAE" in said(tmp_path / "gone.safetensors")[0][1]


@pytest.mark.parametrize(("engine", "refused"), [("kohya", False), ("builtin", True)])
def test_a_name_on_the_hub_is_for_sd_scripts(engine: EngineName, refused: bool) -> None:
    assert bool(said("stabilityai/sd-vae-ft-mse", engine)) is refused
