"""The pure parts of the trainer, against known values."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from loratui.dataset.buckets import Placement
from loratui.dataset.captions import CaptionRules
from loratui.dataset.scan import Picture, Source
from loratui.dataset.sources import Subset
from loratui.formats.sample_prompts import Prompt, parse_prompt, read_prompts
from loratui.problems import UserError
from loratui.trainer import noise
from loratui.trainer.base.single_file import open_clip_weights
from loratui.trainer.captions.tokenizer import clip_tokenizer
from loratui.trainer.lora.names import text_encoder_name, unet_name
from loratui.trainer.objective import loss_of_batch, loss_of_samples, target_of
from loratui.trainer.pictures.batches import Batch, Bucket, batches_per_epoch, epoch_batches
from loratui.trainer.pictures.data import Item, shown, size_conditions
from loratui.trainer.pictures.pixels import area_average, fit, resize
from loratui.trainer.reporting.average_loss import AverageLoss
from loratui.trainer.samples.sampling import ddim_timesteps, denoise
from loratui.trainer.schedule import plan

SMALL = Placement((8, 8), (8, 8))
PLAIN = Subset(Source(Path(), 1, ""), CaptionRules())


def test_noise_schedule_is_stable_diffusions() -> None:
    schedule = noise.alphas_cumprod()
    assert schedule.shape == (1000,)
    # Known from diffusers' DDPMScheduler with the published scheduler_config.json.
    assert schedule[0].item() == pytest.approx(0.99915, abs=1e-6)
    assert schedule[999].item() == pytest.approx(0.0046601, abs=1e-6)


def test_noise_and_velocity_are_a_rotation_of_picture_and_noise() -> None:
    latents, disturbance = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    schedule = torch.tensor([0.64, 0.0])
    steps = torch.tensor([0, 1])
    noisy = noise.add_noise(latents, disturbance, steps, schedule)
    speed = noise.velocity(latents, disturbance, steps, schedule)
    torch.testing.assert_close(noisy[0], 0.8 * latents[0] + 0.6 * disturbance[0])
    torch.testing.assert_close(noisy[1], disturbance[1])
    torch.testing.assert_close(speed[0], 0.8 * disturbance[0] - 0.6 * latents[0])
    torch.testing.assert_close(speed[1], -latents[1])
    for v, wanted in ((False, disturbance), (True, speed)):
        assert torch.equal(target_of(latents, disturbance, steps, schedule, v_parameterization=v), wanted)


def test_noise_offset_moves_whole_channels() -> None:
    latents = torch.zeros(3, 4, 5, 5)
    torch.manual_seed(0)
    plain = noise.draw_noise(latents, 0.0)
    torch.manual_seed(0)
    moved = noise.draw_noise(latents, 0.5) - plain
    assert (moved - moved.mean(dim=(2, 3), keepdim=True)).abs().max() < 1e-6
    assert len(torch.unique(moved[:, :, 0, 0])) == 12


def test_loss_weighs_samples_and_still_divides_by_their_number() -> None:
    prediction, target = torch.zeros(2, 1, 1, 2), torch.tensor([[[[1.0, 3.0]]], [[[2.0, 2.0]]]])
    losses = loss_of_samples(prediction, target)
    assert losses.tolist() == [5.0, 4.0]
    assert loss_of_batch(losses, torch.tensor([1.0, 0.5])).item() == 3.5


def test_average_loss_replaces_the_same_place_of_the_epoch_before() -> None:
    average = AverageLoss()
    means = []
    for epoch, position, loss in ((0, 0, 4.0), (0, 1, 2.0), (1, 0, 1.0), (1, 1, 1.0)):
        average.add(epoch, position, loss)
        means.append(average.mean)
    assert means == [4.0, 3.0, 1.5, 1.0]


@pytest.mark.parametrize(
    ("batches", "accumulation", "steps", "epochs", "total", "passes"),
    [(60, 1, 1600, 3, 180, 3), (28, 4, 1600, 4, 28, 4), (27, 1, 100, None, 100, 4), (27, 1, 1000, 2, 54, 2)],
)
def test_totals(
    batches: int, accumulation: int, steps: int, epochs: int | None, total: int, passes: int
) -> None:
    """Rows A, D, G and H of what sd-scripts itself counted."""
    found = plan(batches, accumulation, steps, epochs)
    assert (found.total_steps, found.epochs) == (total, passes)


def item(caption: str = "", subset: Subset = PLAIN, placement: Placement = SMALL, **more: Any) -> Item:
    picture = Picture(Path("b1.png"), 72, 96, 1, None, "", False)
    return Item(picture, placement, caption, 1, 1.0, subset, **more)


def showing(items: list[Item]) -> Any:
    return lambda index, number, random: shown(items, index, random, 1, number)


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 1), st.tuples(st.integers(1, 4), st.integers(1, 4))),
        st.lists(st.integers(0, 9), min_size=1),
    ),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
    st.integers(0, 2**31),
    st.integers(0, 50),
)
def test_an_epoch_shows_every_picture_as_often_as_it_stands_in_its_bucket(
    buckets: dict[Bucket, list[int]], sizes: tuple[int, int], seed: int, epoch: int
) -> None:
    items = [item("a, b, c", Subset(Source(Path(), 1, ""), CaptionRules(True), flip=True))] * 10

    def batches() -> list[Batch]:
        return epoch_batches(buckets, sizes, showing(items), seed=seed, epoch=epoch)

    found = batches()
    assert found == batches()
    assert len(found) == batches_per_epoch(buckets, sizes)
    for bucket, indices in buckets.items():
        came = [picture.index for batch in found if batch.bucket == bucket for picture in batch.pictures]
        assert sorted(came) == sorted(indices)
    assert all(1 <= len(batch.pictures) <= sizes[batch.bucket[0]] for batch in found)


def test_epochs_differ_and_captions_keep_their_first_tags() -> None:
    subset = Subset(Source(Path(), 1, ""), CaptionRules(True, 1), flip=True, random_crop=True)
    items = [item("first, b, c, d, e", subset, Placement((8, 8), (8, 20)))] * 20

    def of(epoch: int) -> list[Batch]:
        return epoch_batches({(0, (8, 8)): list(range(20))}, [2], showing(items), seed=1, epoch=epoch)

    assert of(0) != of(1)
    pictures = [picture for batch in of(0) for picture in batch.pictures]
    assert {picture.caption.split(",")[0] for picture in pictures} == {"first"}
    assert len({picture.caption for picture in pictures}) > 5
    assert {picture.flipped for picture in pictures} == {True, False}
    assert {left for left, _ in (picture.crop for picture in pictures if picture.crop)} == {0}
    tops = {top for _, top in (picture.crop for picture in pictures if picture.crop)}
    assert len(tops) > 4 and tops <= set(range(13))


def test_area_average_counts_cut_pixels_by_their_share() -> None:
    row = np.array([[[0, 0, 0], [90, 90, 90], [240, 240, 240]]], np.uint8)
    # Three pixels onto two: each new one covers one and a half.
    assert area_average(row, (2, 1))[0, :, 0].tolist() == [30, 190]
    checks = np.indices((6, 6)).sum(axis=0) % 2 * 200
    assert (area_average(np.dstack([checks] * 3).astype(np.uint8), (3, 3)) == 100).all()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_resizing_keeps_a_flat_picture_flat(width: int, height: int, value: int) -> None:
    flat = np.full((20, 20, 3), value, np.uint8)
    resized = resize(flat, (width, height))
    assert resized.shape == (height, width, 3)
    assert (resized == value).all()


def test_the_crop_is_centred() -> None:
    pixels = np.zeros((4, 10, 3), np.uint8)
    pixels[:, 3:7] = 255
    assert (fit(pixels, Placement((4, 4), (10, 4))) == 255).all()


@pytest.mark.parametrize(
    ("flipped", "wanted"), [(False, (96, 72, 0, 8, 64, 64)), (True, (96, 72, 0, 8, 64, 64))]
)
def test_size_conditions_of_sdxl(flipped: bool, wanted: tuple[int, ...]) -> None:
    found = item(placement=Placement((64, 64), (64, 85)))
    assert size_conditions(found, flipped=flipped) == wanted
    # Cut out of the whole picture without buckets, nothing else of it is known.
    whole = item(placement=Placement((64, 64), (72, 96)), cut=True)
    assert size_conditions(whole, flipped=flipped) == (64, 64, 0, 0, 64, 64)


def test_names() -> None:
    inner = "transformer_blocks.1.ff.net.0.proj"
    assert unet_name(f"down_blocks.2.attentions.1.{inner}", sgm=True) == (
        "lora_unet_input_blocks_8_1_transformer_blocks_1_ff_net_0_proj"
    )
    assert unet_name("up_blocks.1.attentions.2.proj_in", sgm=True) == "lora_unet_output_blocks_5_1_proj_in"
    assert unet_name("mid_block.attentions.0.proj_out", sgm=True) == "lora_unet_middle_block_1_proj_out"
    assert unet_name("up_blocks.1.attentions.2.proj_in", sgm=False) == (
        "lora_unet_up_blocks_1_attentions_2_proj_in"
    )
    for module in ("encoder.layers.0.mlp.fc1", "text_model.encoder.layers.0.mlp.fc1"):
        assert text_encoder_name(module, "lora_te") == "lora_te_text_model_encoder_layers_0_mlp_fc1"


def test_clips_vocabulary() -> None:
    tokenizer = clip_tokenizer()
    numbers = tokenizer.encode("a  photo\nof a CAT")
    assert numbers[:8] == [49406, 320, 1125, 539, 320, 2368, 49407, 49407]
    assert len(numbers) == 77
    assert len(tokenizer.encode("word " * 200)) == 77
    assert tokenizer.encode("word " * 200)[-1] == 49407
    assert tokenizer.with_pad("!").encode("a")[-1] == 0


def test_a_prompt_line() -> None:
    prompt = parse_prompt(
        "a cat -- really --n bad, --ugly --w 513 --h 64 --d 5 --l 3.5 --s 9 --x y", (96, 96)
    )
    assert (prompt.text, prompt.width, prompt.height) == ("a cat -- really", 512, 64)
    assert (prompt.seed, prompt.scale, prompt.steps) == (5, 3.5, 9)
    plain = parse_prompt("a cat --s many", (96, 128))
    assert (plain.text, plain.width, plain.height, plain.steps, plain.seed) == ("a cat", 96, 128, 30, None)


def test_the_sampler_finds_the_picture_when_the_answer_is_right() -> None:
    schedule = noise.alphas_cumprod()
    picture = torch.full((1, 4, 2, 2), 0.7)
    for v in (False, True):

        def guess(latents: torch.Tensor, timestep: int, v: bool = v) -> torch.Tensor:
            share = schedule[timestep]
            disturbance = (latents - share**0.5 * picture) / (1 - share) ** 0.5
            return share**0.5 * disturbance - (1 - share) ** 0.5 * picture if v else disturbance

        found = denoise(guess, torch.randn(1, 4, 2, 2), 10, schedule, v_parameterization=v)
        assert found is not None
        assert (found - picture).abs().max() < 0.1
    assert denoise(guess, picture, 3, schedule, v_parameterization=True, stopped=lambda: True) is None
    assert ddim_timesteps(4) == [751, 501, 251, 1]


def test_open_clip_weights_are_renamed_and_split() -> None:
    random = torch.randn
    given_weights = {
        "m.transformer.resblocks.3.attn.in_proj_weight": random(12, 4),
        "m.transformer.resblocks.3.attn.in_proj_bias": random(12),
        "m.transformer.resblocks.3.mlp.c_fc.weight": random(8, 4),
        "m.text_projection": random(4, 6),
        "m.logit_scale": random(()),
        "other": random(1),
    }
    found = open_clip_weights(given_weights, "m.")
    layer = "text_model.encoder.layers.3"
    assert set(found) == {
        *(f"{layer}.self_attn.{part}_proj.{kind}" for part in "qkv" for kind in ("weight", "bias")),
        f"{layer}.mlp.fc1.weight",
        "text_projection.weight",
    }
    whole = given_weights["m.transformer.resblocks.3.attn.in_proj_weight"]
    assert torch.equal(found[f"{layer}.self_attn.k_proj.weight"], whole[4:8])
    assert torch.equal(found["text_projection.weight"], given_weights["m.text_projection"].T)


def test_random_seeds_are_summed_with_the_epoch() -> None:
    """The rule the docstring gives, so that anybody can find out which pictures a step saw."""
    found = epoch_batches({(0, (8, 8)): [0, 1, 2, 3]}, [1], showing([item()] * 4), seed=5, epoch=2)
    random = Random(7)
    starts, indices = [0, 1, 2, 3], [0, 1, 2, 3]
    random.shuffle(starts)
    random.shuffle(indices)
    assert [batch.pictures[0].index for batch in found] == [indices[start] for start in starts]
    assert math.isfinite(found[0].bucket[0])


def test_prompt_files_of_every_form_say_the_same(tmp_path: Path) -> None:
    texts = {
        "a.txt": "a cat --n dark --w 64 --h 72 --d 3 --l 4.5 --s 9\n\n# no\nplain\n",
        "a.toml": '[prompt]\nwidth = 64\nheight = 72\n[[prompt.subset]]\nprompt = "a cat"\n'
        'negative_prompt = "dark"\nseed = 3\nscale = 4.5\nsample_steps = 9\n'
        '[[prompt.subset]]\nprompt = "plain"\nwidth = 512\nheight = 512\n',
        "a.json": '[{"prompt": "a cat", "negative_prompt": "dark", "width": 64, "height": 72, "seed": 3,'
        ' "scale": 4.5, "sample_steps": 9}, "plain"]',
    }
    wanted = [Prompt("a cat", 64, 72, "dark", 3, 4.5, 9), Prompt("plain", 512, 512)]
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        assert read_prompts(tmp_path / name, (512, 512)) == wanted, name
    for name, text in (("b.toml", "prompt = 1"), ("b.json", "[1]"), ("b.json", "{"), ("b.yaml", "a")):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=name):
            read_prompts(tmp_path / name, (512, 512))
