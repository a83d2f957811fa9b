"""What is trained: LyCORIS networks, LoRA+, and sizes taken from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from loratui import events
from loratui.trainer.assembly import network_on
from loratui.trainer.base.loading import load
from loratui.trainer.lora import lora_file
from loratui.trainer.settings.config_file import load_config
from loratui.trainer.settings.network_rules import can_bypass

CPU = torch.device("cpu")
LYCORIS = {"network_module": "lycoris.kohya"}


def finished(told: Any) -> list[float]:
    assert told.code == 0, told.events
    return [step.loss for step in told.of(events.Step)]


@pytest.mark.parametrize(
    ("family", "arguments", "kind"),
    [
        ("sd15", ["algo=loha", "conv_dim=2", "conv_alpha=1"], "hada_w1_a"),
        ("sdxl", ["algo=lokr", "factor=4"], "lokr_w1"),
    ],
)
def test_lycoris_trains_under_kohyas_names_and_its_file_loads_again(
    family: str, arguments: list[str], kind: str, train: Any, tmp_path: Path, tiny_models: dict[str, Path]
) -> None:
    settings = {
        **LYCORIS,
        "network_args": arguments,
        "network_train_unet_only": None,
        "network_dim": 2,
        "network_alpha": 1,
    }
    told = train(family, max_train_steps=2, save_state=True, **settings)
    losses = finished(told)
    assert len(set(losses)) == 2
    path = tmp_path / "out" / "tiny.safetensors"
    tensors = load_file(path)
    modules = {key.partition(".")[0] for key in tensors}
    attention = "middle_block_1" if family == "sdxl" else "mid_block_attentions_0"
    assert f"lora_unet_{attention}_transformer_blocks_0_attn1_to_q" in modules
    encoder = "lora_te1" if family == "sdxl" else "lora_te"
    assert f"{encoder}_text_model_encoder_layers_0_self_attn_q_proj" in modules
    assert any("in_layers_2" in name or "resnets" in name for name in modules)
    assert ("lora_unet_conv_in" in modules) == (family == "sd15")
    assert any(key.endswith(kind) for key in tensors)
    assert any(float(tensor.abs().max()) > 0 for key, tensor in tensors.items() if key.endswith(kind))

    from lycoris.kohya import create_network_from_weights

    # The package itself takes SD 1.x files back (SDXL's have names of another U-Net than diffusers').
    if family == "sd15":
        model = load(tiny_models[family], family, torch.float32)
        loaded, _ = create_network_from_weights(1.0, str(path), None, [], model.unet)
        assert len(loaded.unet_loras) == len([name for name in modules if name.startswith("lora_unet")])

    again = train(family, max_train_steps=1, network_weights=str(path), output_name="again", **settings)
    assert [message.text for message in again.of(events.Message)] == []
    assert finished(again)
    state = tmp_path / "out" / "tiny-state"
    more = train(family, max_train_steps=3, resume=str(state), skip_until_initial_step=True, **settings)
    assert [step.step for step in more.of(events.Step)] == [3]


def test_a_resumed_lokr_ends_bit_for_bit_like_an_unbroken_one(train: Any, tmp_path: Path) -> None:
    settings = {**LYCORIS, "network_args": ["algo=lokr", "factor=4"], "save_state": True}
    finished(train(max_train_steps=3, save_every_n_steps=2, output_name="whole", **settings))
    state = str(tmp_path / "out" / "whole-step00000002-state")
    finished(
        train(max_train_steps=3, resume=state, skip_until_initial_step=True, output_name="rest", **settings)
    )
    one, other = (load_file(tmp_path / "out" / f"{name}.safetensors") for name in ("whole", "rest"))
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_other_algorithms_rebuild_their_weights(train: Any) -> None:
    arguments = ["algo=loha", "dora_wd=True", "preset=attn-only", "use_scalar=True"]
    assert finished(train(max_train_steps=1, network_args=arguments, scale_weight_norms=1.0, **LYCORIS))


@pytest.mark.parametrize(
    ("preset", "family", "found"), [("attn-mlp", "sd15", 1), ("attn-mlp", "sdxl", 0), ("full", "sd15", 1)]
)
def test_time_embeddings_where_lycoris_has_them_under_sd_scripts(
    preset: str, family: str, found: int, write_config: Any, tiny_models: dict[str, Path]
) -> None:
    config = load_config(write_config(family, network_args=["algo=lokr", f"preset={preset}"], **LYCORIS))
    network = network_on(config, load(tiny_models[family], family, torch.float32), CPU)
    names = [name for name in network.layers if "embed" in name and name.endswith("_1")]
    assert names == ["lora_unet_time_embedding_linear_1"] * found


def test_bypass_only_where_it_means_the_same() -> None:
    assert can_bypass({"algo": "loha"})
    assert can_bypass({})
    assert not can_bypass({"algo": "full"})
    assert not can_bypass({"algo": "lokr", "rank_dropout": "0.1"})
    assert not can_bypass({"algo": "loha", "dora_wd": "True"})


def test_lora_plus_raises_the_rate_of_up(train: Any) -> None:
    told = train(
        max_train_steps=1,
        network_train_unet_only=None,
        network_args=["loraplus_lr_ratio=4", "loraplus_unet_lr_ratio=16"],
    )
    assert finished(told)
    rates = told.of(events.Step)[0].rates
    assert {name: round(rate / 1e-2, 6) for name, rate in rates.items()} == {
        "text_encoder": 1,
        "text_encoder_plus": 4,
        "unet": 1,
        "unet_plus": 16,
    }


def test_sizes_from_weights(
    train: Any, write_config: Any, tmp_path: Path, tiny_models: dict[str, Path]
) -> None:
    finished(train(max_train_steps=1, network_dim=3, network_alpha=3, network_args=["conv_dim=2"]))
    tensors = load_file(tmp_path / "out" / "tiny.safetensors")
    left_out = "lora_unet_mid_block_attentions_0_proj_in"
    without_alpha = "lora_unet_mid_block_attentions_0_proj_out"
    few = {key: tensor for key, tensor in tensors.items() if not key.startswith(left_out)}
    del few[f"{without_alpha}.alpha"]
    path = tmp_path / "few.safetensors"
    save_file(few, path)
    config = load_config(
        write_config(network_weights=str(path), dim_from_weights=True, network_dim=64, network_alpha=1)
    )
    network = network_on(config, load(tiny_models["sd15"], "sd15", torch.float32), CPU)
    assert lora_file.load_into(network, path) == []
    found = network.tensors()
    assert found.keys() == few.keys() | {f"{without_alpha}.alpha"}
    assert float(found[f"{without_alpha}.alpha"]) == 3
    assert all(torch.equal(found[key], tensor) for key, tensor in few.items())
    config = load_config(write_config(network_weights=str(path), network_dim=3, network_alpha=1))
    network = network_on(config, load(tiny_models["sd15"], "sd15", torch.float32), CPU)
    other_alpha, some_missing = lora_file.load_into(network, path)
    assert "alpha 3; it is trained on with alpha 1" in other_alpha
    assert "the rest starts fresh" in some_missing


def test_loras_that_the_base_model_has_already(train: Any, tmp_path: Path) -> None:
    """What was trained is found again in the base model, times its multiplier."""
    first = train(max_train_steps=3, output_name="first", network_args=["conv_dim=2"])
    assert first.code == 0
    file = str(tmp_path / "out" / "first.safetensors")

    def loss(**more: Any) -> float:
        told = train(max_train_steps=1, output_name="next", **more)
        assert told.code == 0, told.events
        return float(told.of(events.Step)[0].loss)

    merged = loss(base_weights=[file])
    assert merged != pytest.approx(loss(), rel=1e-5)
    assert loss(base_weights=[file], base_weights_multiplier=[0.0]) == pytest.approx(loss(), rel=1e-7)
    twice = loss(base_weights=[file, file], base_weights_multiplier=[0.25, 0.75])
    assert twice == pytest.approx(merged, rel=1e-5)
    assert train(base_weights=["nowhere.safetensors"]).code == 2
    assert train("sdxl", base_weights=[file]).code == 1
