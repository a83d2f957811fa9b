from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from loratui.lora.changing.convert import to_folder, to_single_file
from loratui.lora.changing.precision import change_precision
from loratui.models.inspect import inspect
from loratui.problems import UserError
from tests.support.random_loras import small_checkpoint


def same(one: Path, two: Path) -> bool:
    first, second = load_file(one), load_file(two)
    return set(first) == set(second) and all(
        torch.equal(tensor, second[name]) and tensor.dtype == second[name].dtype
        for name, tensor in first.items()
    )


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_there_and_back_not_a_bit_changes(tiny_models: Path, tmp_path: Path, family: str) -> None:
    base = tiny_models / family
    first = to_single_file(base, tmp_path / "one.safetensors")
    assert (first.family, first.left_out) == (family, ())
    to_folder(tmp_path / "one.safetensors", tmp_path / "folder", config=base)
    to_single_file(tmp_path / "folder", tmp_path / "two.safetensors")
    assert same(tmp_path / "one.safetensors", tmp_path / "two.safetensors")
    assert inspect(tmp_path / "two.safetensors").family == family
    assert inspect(tmp_path / "folder").family == family


def test_stable_diffusion_2_has_open_clip_and_one_block_too_many(tiny_models: Path, tmp_path: Path) -> None:
    base = tmp_path / "sd2"
    shutil.copytree(tiny_models / "sd15", base)
    config = json.loads((base / "text_encoder/config.json").read_text())
    (base / "text_encoder/config.json").write_text(json.dumps(config | {"hidden_act": "gelu"}))
    done = to_single_file(base, tmp_path / "one.safetensors", prediction="v", zero_terminal_snr=True)
    assert done.family == "sd2"
    found = inspect(tmp_path / "one.safetensors")
    assert (found.family, found.prediction, found.zero_terminal_snr) == ("sd2", "v", True)
    tensors = load_file(tmp_path / "one.safetensors")
    start = "cond_stage_model.model.transformer.resblocks."
    fused = tensors[f"{start}1.attn.in_proj_weight"]
    folder = load_file(base / "text_encoder/model.safetensors")
    key = next(name for name in folder if name.endswith("layers.1.self_attn.v_proj.weight"))
    assert torch.equal(fused[2 * fused.shape[0] // 3 :], folder[key])

    extra = {
        name.replace(f"{start}1.", f"{start}2."): tensor.clone()
        for name, tensor in tensors.items()
        if f"{start}1." in name
    }
    save_file(
        tensors | extra | {"cond_stage_model.model.logit_scale": torch.tensor(4.6)},
        tmp_path / "two.safetensors",
    )
    back = to_folder(tmp_path / "two.safetensors", tmp_path / "back", config=base, prediction="v")
    assert "cond_stage_model.model.logit_scale" in back.left_out
    assert set(extra) <= set(back.left_out)
    scheduler = json.loads((tmp_path / "back/scheduler/scheduler_config.json").read_text())
    assert scheduler["prediction_type"] == "v_prediction"
    again = to_single_file(
        tmp_path / "back", tmp_path / "three.safetensors", prediction="v", zero_terminal_snr=True
    )
    assert again.tensors == done.tensors
    assert same(tmp_path / "one.safetensors", tmp_path / "three.safetensors")


def test_a_folder_of_the_fp16_variant_and_the_vae_of_old(tiny_models: Path, tmp_path: Path) -> None:
    base = tmp_path / "old"
    shutil.copytree(tiny_models / "sd15", base)
    vae = base / "vae/diffusion_pytorch_model.safetensors"
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    renamed = {}
    for name, tensor in load_file(vae).items():
        for new, former in old.items():
            name = name.replace(f"attentions.0.{new}.", f"attentions.0.{former}.")
        renamed[name] = tensor
    vae.unlink()
    save_file(renamed, base / "vae/diffusion_pytorch_model.fp16.safetensors")
    to_single_file(base, tmp_path / "old.safetensors")
    to_single_file(tiny_models / "sd15", tmp_path / "new.safetensors")
    assert same(tmp_path / "old.safetensors", tmp_path / "new.safetensors")


def test_a_config_of_another_model_is_refused(tiny_models: Path, tmp_path: Path) -> None:
    to_single_file(tiny_models / "sd15", tmp_path / "one.safetensors")
    with pytest.raises(
        UserError, match=r"hidden_size of the text_encoder is 768 there and 32 in the file.*--config"
    ):
        to_folder(tmp_path / "one.safetensors", tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["one.safetensors"]


def test_a_checkpoint_without_its_parts_is_refused(tiny_models: Path, tmp_path: Path) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors")
    tensors = {name: tensor for name, tensor in load_file(base).items() if "first_stage" not in name}
    save_file(tensors, base)
    with pytest.raises(UserError, match="it has no vae"):
        to_folder(base, tmp_path / "folder", config=tiny_models / "sd15")
    shutil.copytree(tiny_models / "sd15", tmp_path / "pickled")
    weights = tmp_path / "pickled/unet/diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    with pytest.raises(UserError, match="pickled"):
        to_single_file(tmp_path / "pickled", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize(("precision", "kind"), [("fp16", torch.float16), ("bf16", torch.bfloat16)])
def test_a_precision_rounds_to_the_nearest(tmp_path: Path, precision: str, kind: torch.dtype) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors")
    done = change_precision(base, tmp_path / "out.safetensors", precision)
    assert (done.tensors, done.tensors_changed) == (9, 8)
    after = load_file(tmp_path / "out.safetensors")
    for name, tensor in load_file(base).items():
        assert torch.equal(after[name], tensor.to(kind) if tensor.is_floating_point() else tensor)
    change_precision(tmp_path / "out.safetensors", tmp_path / "wide.safetensors", "float")
    assert all(
        torch.equal(tensor.to(after[name].dtype), after[name])
        for name, tensor in load_file(tmp_path / "wide.safetensors").items()
    )
