"""Noise, loss weights, schedules and LoRA layers against values worked out by hand."""

from __future__ import annotations

import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from loratui.trainer import noise, objective
from loratui.trainer.captions import caption_weights
from loratui.trainer.captions.tokenizer import clip_tokenizer
from loratui.trainer.lora.lora_layer import Dropout, LoraLayer
from loratui.trainer.lora.names import unet_name
from loratui.trainer.lora.network import Sizes, attach
from loratui.trainer.lora.norms import limit_norms
from loratui.trainer.lora.targets import unet_targets
from loratui.trainer.saving import checkpoints
from loratui.trainer.schedule import Plan


def test_zero_terminal_snr_keeps_the_first_step_and_empties_the_last() -> None:
    plain = noise.alphas_cumprod()
    rescaled = noise.zero_terminal_snr(plain)
    assert rescaled[999].item() == 0.0
    assert rescaled[0].item() == pytest.approx(plain[0].item(), abs=1e-6)
    assert (rescaled[1:] <= rescaled[:-1]).all()
    # Known from sd-scripts' own function at commit 48d368f.
    assert rescaled[996:999].tolist() == pytest.approx([1.7873e-06, 7.9077e-07, 1.9680e-07], rel=1e-4)


def test_signal_to_noise() -> None:
    found = noise.signal_to_noise(torch.tensor([0.5, 0.8, 0.2]))
    assert found.tolist() == pytest.approx([1.0, 4.0, 0.25])
    assert noise.signal_to_noise(noise.alphas_cumprod())[999].item() == pytest.approx(0.004682, abs=1e-6)


@pytest.mark.parametrize(
    ("weights", "wanted"),
    [
        (lambda r: objective.min_snr_weights(r, 5.0, v_parameterization=False), [1.0, 0.5, 0.0025]),
        (lambda r: objective.min_snr_weights(r, 5.0, v_parameterization=True), [0.5, 5 / 11, 5 / 2001]),
        (objective.noise_like_weights, [0.5, 10 / 11, 1000 / 1001]),
        (lambda r: objective.velocity_like_weights(r, 0.5), [2.0, 1.55, 1.5005]),
        (lambda r: objective.debiased_weights(r, v_parameterization=False), [1.0, 10**-0.5, 1000**-0.5]),
        (lambda r: objective.debiased_weights(r, v_parameterization=True), [0.5, 1 / 11, 1 / 1001]),
    ],
)
def test_weights_by_signal_to_noise(weights: Any, wanted: list[float]) -> None:
    assert weights(torch.tensor([1.0, 10.0, 2000.0])).tolist() == pytest.approx(wanted, rel=1e-5)


def test_noise_offsets_that_vary() -> None:
    bright = torch.full((1, 4, 8, 8), -3.0)

    def moved(**options: Any) -> torch.Tensor:
        torch.manual_seed(0)
        plain = torch.randn_like(bright)
        torch.manual_seed(0)
        return noise.draw_noise(bright, 0.1, **options) - plain

    # The mean of each channel has size 3: 0.1 + 0.5 * 3 is 16 times 0.1; below 0 it stops.
    torch.testing.assert_close(moved(adaptive_scale=0.5), 16 * moved(), rtol=1e-3, atol=1e-5)
    assert moved(adaptive_scale=-1.0).abs().max() == 0
    random_one = moved(random_strength=True)
    assert random_one.abs().max() > 0
    assert not torch.allclose(random_one, moved())


def test_multires_noise_is_coarser_at_unit_deviation() -> None:
    torch.manual_seed(0)
    random.seed(0)
    plain = torch.randn(4, 4, 32, 32)
    found = noise.multires_noise(plain, 6, 0.8)
    assert found.std().item() == pytest.approx(1.0, abs=1e-5)
    assert found.mean(dim=(2, 3)).std() > 3 * plain.mean(dim=(2, 3)).std()
    assert torch.equal(plain / plain.std(), noise.multires_noise(plain, 0, 0.8))


@given(st.integers(0, 998), st.integers(1, 999))
def test_timesteps_stay_in_their_range(least: int, more: int) -> None:
    most = min(1000, least + more)
    found = noise.draw_timesteps(50, least, most)
    assert least <= int(found.min()) <= int(found.max()) < most


def test_the_last_passes_of_an_epoch_are_a_step_of_their_own() -> None:
    assert Plan(5, 2, 6, 2).chunks(range(5)) == [range(2), range(2, 4), range(4, 5)]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("plain words", [("plain words", 1.0)]),
        ("a (dot:1.3), b", [("a ", 1.0), ("dot", 1.3), (", b", 1.0)]),
        ("(x) [y]", [("x", 1.1), (" ", 1.0), ("y", 1 / 1.1)]),
        ("((x))", [("x", 1.1 * 1.1)]),
        ("(a [b])", [("a ", 1.1), ("b", 1.0)]),
        (r"\(a\) b", [("(a) b", 1.0)]),
        ("(open", [("open", 1.1)]),
        ("close) here:1.3)", [("close) here:1.3)", 1.0)]),
        ("(none:0)", [("none", 0.0)]),
        ("", []),
    ],
)
def test_weights_in_captions(text: str, wanted: list[tuple[str, float]]) -> None:
    found = caption_weights.parse(text)
    assert [words for words, _ in found] == [words for words, _ in wanted]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in wanted])


def test_tokens_carry_the_weights_of_their_words() -> None:
    tokenizer = clip_tokenizer()
    numbers, weights = tokenizer.encode_pieces([("a ", 1.0), ("photo of", 1.5), (" a cat", 1.0)])
    assert numbers == tokenizer.encode("a photo of a cat")
    assert weights[:7] == [1, 1, 1.5, 1.5, 1, 1, 1]
    long_numbers, long_weights = tokenizer.encode_pieces([("word " * 200, 2.0)])
    assert (len(long_numbers), len(long_weights), long_numbers[-1]) == (77, 77, tokenizer.end)
    assert (long_weights[0], long_weights[75], long_weights[76]) == (1.0, 2.0, 1.0)


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        ("down_blocks.0.resnets.1.conv1", "input_blocks_2_0_in_layers_2"),
        ("down_blocks.1.resnets.0.conv_shortcut", "input_blocks_4_0_skip_connection"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks_3_0_op"),
        ("mid_block.resnets.1.conv2", "middle_block_2_out_layers_3"),
        ("up_blocks.0.resnets.2.time_emb_proj", "output_blocks_2_0_emb_layers_1"),
        ("up_blocks.1.upsamplers.0.conv", "output_blocks_5_2_conv"),
    ],
)
def test_names_of_convolutions_in_sdxl(module: str, wanted: str) -> None:
    """As LoCon files of SDXL have them."""
    assert unet_name(module, sgm=True) == f"lora_unet_{wanted}"
    assert unet_name(module, sgm=False) == f"lora_unet_{module}".replace(".", "_")


class ResnetBlock2D(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.conv_shortcut = nn.Conv2d(4, 6, 1)
        self.time_emb_proj = nn.Linear(5, 6)


def test_locon_gives_large_kernels_a_rank_of_their_own() -> None:
    root = nn.Module()
    root.block = ResnetBlock2D()
    assert unet_targets(root, sgm=False) == {}
    targets = unet_targets(root, sgm=False, convolutions=True)
    network = attach({"unet": targets}, Sizes(3, 1.5, (2, 1.0)), torch.device("cpu"))
    tensors = network.tensors()
    assert tensors["lora_unet_block_conv1.lora_down.weight"].shape == (2, 4, 3, 3)
    assert tensors["lora_unet_block_conv1.lora_up.weight"].shape == (6, 2, 1, 1)
    assert tensors["lora_unet_block_conv_shortcut.lora_down.weight"].shape == (3, 4, 1, 1)
    assert tensors["lora_unet_block_time_emb_proj.lora_down.weight"].shape == (3, 5)
    alphas = {name: float(value) for name, value in tensors.items() if name.endswith(".alpha")}
    assert sorted(alphas.values()) == [1.0, 1.5, 1.5]


def test_a_convolutions_lora_is_one_convolution_more() -> None:
    layer = nn.Conv2d(4, 6, 3, stride=2, padding=1)
    x = torch.randn(2, 4, 9, 9)
    before = layer(x)
    lora = LoraLayer(layer, 2, 1.0)
    assert torch.equal(layer(x), before)
    nn.init.normal_(lora.weights[1])
    down, up = lora.weights
    kernel = torch.einsum("or,rikl->oikl", up[:, :, 0, 0], down) * 0.5
    wanted = nn.functional.conv2d(x, layer.weight + kernel, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(layer(x), wanted, rtol=1e-4, atol=1e-5)


def with_lora(dropout: Dropout) -> tuple[nn.Linear, LoraLayer]:
    torch.manual_seed(0)
    layer = nn.Linear(8, 8)
    lora = LoraLayer(layer, 4, 4.0, dropout)
    nn.init.normal_(lora.weights[1])
    return layer, lora


@pytest.mark.parametrize("dropout", [Dropout(neurons=0.5), Dropout(ranks=0.5), Dropout(modules=0.5)])
def test_dropout_leaves_out_in_training_alone_and_evens_out(dropout: Dropout) -> None:
    layer, _ = with_lora(dropout)
    plain, _ = with_lora(Dropout())
    x = torch.randn(1, 8)
    with torch.no_grad():
        assert torch.equal(layer(x), plain(x))
    seen = torch.stack([layer(x)[0].detach() for _ in range(4000)])
    assert seen.std(dim=0).max() > 0.01
    without = nn.functional.linear(x, layer.weight, layer.bias)[0]
    share = 0.5 if dropout.modules else 1.0  # module dropout is not scaled up
    wanted = without + share * (plain(x)[0] - without)
    assert (seen.mean(dim=0) - wanted).abs().max() < 0.15 * (plain(x)[0] - without).abs().max()


def test_norms_are_limited_by_shrinking_both_factors_alike() -> None:
    loras = [with_lora(Dropout())[1] for _ in range(3)]
    kernel = LoraLayer(nn.Conv2d(8, 8, 3), 4, 2.0)
    nn.init.normal_(kernel.weights[1])
    nn.init.zeros_(loras[2].weights[1])  # as a fresh one: its norm is 0
    layers = [loras[0], kernel, *loras[1:]]
    nn.init.constant_(loras[1].weights[0], 1e-3)
    before = [[weight.detach().clone() for weight in layer.weights] for layer in layers]

    def norm(layer: LoraLayer) -> float:
        down, up = (weight.detach().flatten(1) for weight in layer.weights)
        return float((up @ down).norm()) * layer.scale

    norms = [norm(layer) for layer in layers]
    most = min(norms[0], norms[1]) / 4
    assert norms[2] < most
    limit_norms(layers, most)
    for layer, was, own in zip(layers, before, norms, strict=True):
        for weight, old in zip(layer.weights, was, strict=True):
            if own <= most:
                assert torch.equal(weight, old)
            else:
                torch.testing.assert_close(weight.detach(), old * (most / own) ** 0.5)
    assert norm(layers[0]) == pytest.approx(most)


def test_old_step_checkpoints_are_counted_in_steps(tmp_path: Path) -> None:
    config: Any = SimpleNamespace(
        name="a",
        output_dir=str(tmp_path),
        save_every_n_steps=10,
        save_last_n_steps=20,
        save_last_n_steps_state=None,
        save_state=False,
    )
    for step in (10, 20, 30, 40, 50):
        checkpoints.lora_path(config, checkpoints.step_stem(config, step)).touch()
        checkpoints.remove_old_steps(config, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"a-step{step:08d}.safetensors" for step in (30, 40, 50)
    ]
