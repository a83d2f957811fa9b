"""Base models: families by their keys, single files, and Kohya's names on the real topologies."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from loratui.problems import UserError
from loratui.trainer.base.base_model import detect_family
from loratui.trainer.base.loading import load, read_config
from loratui.trainer.base.vae_file import load_vae
from loratui.trainer.captions.text import encode, encode_to_draw
from loratui.trainer.captions.tokenizer import ASSETS, LENGTH, read_tokenizer
from loratui.trainer.lora.targets import text_targets, unet_targets
from loratui.trainer.nets.clip import CLIPTextModel
from loratui.trainer.nets.unet import UNet2DConditionModel
from tests.support.checkpoints import Made


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl"])
def test_a_single_file_gives_the_very_weights_it_was_made_from(family: str, tmp_path: Path) -> None:
    made = Made(family, tmp_path)
    assert detect_family(made.path) == family
    model = load(made.path, family, torch.float32, made.configs)
    pairs = [(made.unet, model.unet), (made.vae, model.vae)]
    pairs += list(zip(made.encoders, model.text_encoders, strict=True))
    for ours, loaded in pairs:
        theirs = loaded.state_dict()
        assert ours.state_dict().keys() == theirs.keys()
        for key, tensor in ours.state_dict().items():
            # sd-scripts trains a single file of SD 2.x with kernels where it has matrices.
            turned = family == "sd2" and key.endswith(("proj_in.weight", "proj_out.weight"))
            assert torch.equal(tensor[:, :, None, None] if turned else tensor, theirs[key]), key
        assert not any(parameter.requires_grad for parameter in loaded.parameters())
    states = encode(model, ["a cat", "two"], 2).states
    assert states.shape == (2, LENGTH, 16 if family == "sdxl" else 8)
    with pytest.raises(UserError, match=f"not a {family} model of the usual shape"):
        load(made.path, family, torch.float32)
    made.configs.rename(made.path.with_suffix(""))
    assert load(made.path, family, torch.float32).family == family  # configs beside the file


@pytest.mark.parametrize(
    ("family", "count", "names"),
    [
        (
            "sd15",
            192,
            {
                "lora_unet_down_blocks_0_attentions_0_proj_in",
                "lora_unet_up_blocks_3_attentions_2_transformer_blocks_0_attn1_to_out_0",
                "lora_unet_mid_block_attentions_0_transformer_blocks_0_ff_net_0_proj",
            },
        ),
        (
            "sdxl",
            722,
            {
                "lora_unet_input_blocks_4_1_proj_in",
                "lora_unet_input_blocks_8_1_transformer_blocks_9_attn2_to_k",
                "lora_unet_middle_block_1_transformer_blocks_9_ff_net_2",
                "lora_unet_output_blocks_5_1_transformer_blocks_1_attn1_to_out_0",
            },
        ),
    ],
)
def test_the_real_models_get_kohyas_names(family: str, count: int, names: set[str]) -> None:
    unet = UNet2DConditionModel.without_weights(read_config(ASSETS / family / "unet"))
    targets = unet_targets(unet, sgm=family == "sdxl")
    assert len(targets) == count
    assert names <= targets.keys()


def test_the_real_text_encoder_gets_kohyas_names() -> None:
    encoder = CLIPTextModel.without_weights(read_config(ASSETS / "sd15" / "text_encoder"))
    targets = text_targets(encoder, "lora_te")
    assert len(targets) == 72
    assert "lora_te_text_model_encoder_layers_11_self_attn_out_proj" in targets


def test_clip_skip_takes_an_earlier_layer_through_the_final_norm(tiny_models: dict[str, Path]) -> None:
    model = load(tiny_models["sd15"], "sd15", torch.float32)
    last, same, earlier = (encode(model, ["ohwx, cat"], skip).states for skip in (None, 1, 2))
    assert torch.equal(last, same)
    assert not torch.allclose(last, earlier)
    # A layer norm leaves every token with mean 0 and variance 1, as its weights are still 1 and 0.
    assert earlier.mean(dim=-1).abs().max() < 1e-5


def test_prompts_to_draw_are_weighed_and_long(tiny_models: dict[str, Path]) -> None:
    model = load(tiny_models["sd15"], "sd15", torch.float32)
    plain = encode(model, ["a (cat), ", ""], None).states
    drawn = encode_to_draw(model, ["a cat, ", ""], None).states
    assert torch.equal(drawn[1], plain[1]) and drawn.shape == plain.shape
    louder = encode_to_draw(model, ["a (cat:1.5), ", ""], None).states
    assert torch.equal(louder[1], drawn[1]) and not torch.equal(louder[0], drawn[0])
    assert louder[0].mean().item() == pytest.approx(drawn[0].mean().item(), rel=1e-4)
    assert encode_to_draw(model, ["word, " * 90, ""], None).states.shape == (2, 75 * 3 + 2, drawn.shape[2])


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_our_tokenizer_agrees_with_transformers(family: str, tiny_models: dict[str, Path]) -> None:
    from transformers import CLIPTokenizer

    folder = tiny_models[family] / ("tokenizer_2" if family == "sdxl" else "tokenizer")
    theirs = CLIPTokenizer.from_pretrained(str(folder))
    ours = read_tokenizer(folder)
    for text in ("ohwx, a Cat", "two  words\n", "ein Käse, 100%", ""):
        wanted = theirs(text, padding="max_length", max_length=LENGTH, truncation=True).input_ids
        assert ours.encode(text) == wanted


def test_a_family_that_is_not_trained_is_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "flux.safetensors"
    save_file({"double_blocks.0.img_attn.norm.key_norm.scale": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="flux models"):
        detect_family(path)


def test_a_vae_of_its_own(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    made = Made("sd15", tmp_path)
    base = made.configs.rename(tmp_path / "sd15").parent / "other.safetensors"
    shutil.copytree(tmp_path / "sd15" / "vae", tmp_path / "folder")
    plain, own = tmp_path / "plain.safetensors", tmp_path / "diffusers.safetensors"
    tensors = load_file(made.path)
    prefix = "first_stage_model."
    save_file({k.removeprefix(prefix): t for k, t in tensors.items() if k.startswith(prefix)}, plain)
    save_file(made.vae.state_dict(), own)
    save_file(made.vae.state_dict(), tmp_path / "folder" / "diffusion_pytorch_model.safetensors")
    for path in (plain, own, tmp_path / "folder", made.path):
        found = load_vae(path, base, "sd15")
        assert all(torch.equal(t, found.state_dict()[k]) for k, t in made.vae.state_dict().items()), path
        assert not any(parameter.requires_grad for parameter in found.parameters())
    with pytest.raises(UserError, match="does not fit sd15 models"):
        load_vae(plain, tmp_path / "elsewhere" / "base.safetensors", "sd15")
    lora = tmp_path / "lora.safetensors"
    save_file({"lora_unet_x.lora_down.weight": torch.zeros(1, 1)}, lora)
    for path, words in ((lora, "no VAE"), (tmp_path / "none.safetensors", "no such VAE")):
        with pytest.raises(UserError, match=words):
            load_vae(path, base, "sd15")
