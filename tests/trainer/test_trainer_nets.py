"""Our networks beside those of diffusers and transformers, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from loratui.trainer.base.loading import load, read_config
from loratui.trainer.captions.tokenizer import ASSETS
from loratui.trainer.nets.clip import CLIPTextModel
from loratui.trainer.nets.net import Block
from loratui.trainer.nets.unet import UNet2DConditionModel
from loratui.trainer.nets.vae import AutoencoderKL


@pytest.mark.parametrize("family", ["sd15", "sd2", "sdxl"])
def test_the_same_numbers_as_diffusers(family: str, tiny_models: dict[str, Path]) -> None:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL as TheirVae
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel as TheirUnet

    folder = tiny_models[family]
    ours = load(folder, family, torch.float32)
    theirs = TheirUnet.from_pretrained(folder / "unet")
    assert [name for name, _ in ours.unet.named_parameters()] == [
        name for name, _ in theirs.named_parameters()
    ]
    torch.manual_seed(0)
    timesteps, context = torch.tensor([3, 900]), torch.randn(2, 77, theirs.config.cross_attention_dim)
    more: tuple[torch.Tensor, ...] = ()
    extra = None
    if family == "sdxl":
        more = (torch.randn(2, 16), torch.tensor([[64.0, 64, 0, 3, 64, 128]] * 2))
        extra = {"text_embeds": more[0], "time_ids": more[1]}
    for size in ((8, 16), (9, 13)):  # the second does not halve evenly
        noisy = torch.randn(2, 4, *size, requires_grad=True)
        wanted = theirs(noisy, timesteps, context, added_cond_kwargs=extra, return_dict=False)[0]
        found = ours.unet(noisy, timesteps, context, *more)
        assert torch.equal(found, wanted)
        gradients = [torch.autograd.grad(answer.square().sum(), noisy)[0] for answer in (found, wanted)]
        assert torch.equal(*gradients)
    with torch.no_grad():
        vae = TheirVae.from_pretrained(folder / "vae")
        pictures = torch.rand(2, 3, 64, 72) * 2 - 1
        mean, deviation = ours.vae.encode(pictures)
        wanted = vae.encode(pictures).latent_dist
        assert torch.equal(mean, wanted.mean)
        assert torch.equal(deviation, wanted.std)
        assert torch.equal(ours.vae.decode(mean), vae.decode(mean).sample)


def test_the_same_states_as_transformers(tiny_models: dict[str, Path]) -> None:
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    folder = tiny_models["sdxl"]
    ours = load(folder, "sdxl", torch.float32)
    for encoder, kind, name in zip(
        ours.text_encoders,
        (CLIPTextModel, CLIPTextModelWithProjection),
        ("text_encoder", "text_encoder_2"),
        strict=True,
    ):
        ids = torch.randint(0, 510, (2, 77))
        ids[:, 20:] = 513  # the end of the text
        with torch.no_grad():
            found, wanted = encoder(ids), kind.from_pretrained(folder / name)(ids, output_hidden_states=True)
        assert torch.equal(found.last_hidden_state, wanted.last_hidden_state)
        assert torch.equal(found.hidden_states[-2], wanted.hidden_states[-2])
        assert found.text_embeds is None or torch.equal(found.text_embeds, wanted.text_embeds)


def test_checkpointing_changes_no_gradient(tiny_models: dict[str, Path]) -> None:
    unet = load(tiny_models["sd15"], "sd15", torch.float32).unet
    noisy, context = torch.randn(1, 4, 8, 8), torch.randn(1, 77, 32)
    weight = unet.conv_in.weight.requires_grad_()
    gradients = []
    for _ in range(2):
        answer = unet(noisy, torch.tensor([5]), context)
        gradients += torch.autograd.grad(answer.square().sum(), weight)
        unet.enable_gradient_checkpointing()
    assert torch.equal(*gradients)
    assert all(module.checkpointed for module in unet.modules() if isinstance(module, Block))


@pytest.mark.parametrize(
    ("kind", "part", "change"),
    [
        (UNet2DConditionModel, "unet", {"class_embed_type": "timestep"}),
        (UNet2DConditionModel, "unet", {"down_block_types": ["AttnDownBlock2D"] * 4}),
        (AutoencoderKL, "vae", {"use_quant_conv": False}),
        (CLIPTextModel, "text_encoder", {"hidden_act": "relu"}),
    ],
)
def test_another_kind_of_network_is_named(kind: type, part: str, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="known"):
        kind.without_weights(read_config(ASSETS / "sd15" / part) | change)  # type: ignore[attr-defined]


def test_weights_that_do_not_fit_are_named() -> None:
    config = read_config(ASSETS / "sd15" / "vae") | {"block_out_channels": [4, 4, 4, 4], "norm_num_groups": 2}
    vae, whole = AutoencoderKL.without_weights(config), AutoencoderKL(config).state_dict()
    assert all(parameter.is_meta for parameter in vae.parameters())
    with pytest.raises(ValueError, match=r"1 tensors are missing, for example quant_conv\.bias"):
        vae.take({key: tensor for key, tensor in whole.items() if key != "quant_conv.bias"})
    with pytest.raises(ValueError, match=r"quant_conv\.bias has the shape \[2\], and \[8\] is wanted"):
        vae.take(whole | {"quant_conv.bias": torch.zeros(2)})
    assert vae.take(whole).quant_conv.weight is not None
    # Layers made afterwards get first values as ever.
    assert torch.nn.Linear(4, 4).weight.abs().sum() > 0
    assert torch.nn.Conv2d(4, 4, 1).weight.abs().sum() > 0
