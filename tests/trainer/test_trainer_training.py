"""Real trainings on the tiny models, in this process."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from loratui import events
from loratui.trainer.base.diffusers_parts import called_like_ours
from loratui.trainer.base.loading import BaseModel, load
from loratui.trainer.captions.text import Condition, encode, predict
from loratui.trainer.lora import lora_file
from loratui.trainer.lora.network import Network, Sizes, attach
from loratui.trainer.lora.targets import text_targets, unet_targets
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.stopping import StopRequest

KOHYA_KEY = re.compile(
    r"lora_(unet_(down|up|mid)_block\w+|unet_(in|out)put_blocks_\w+|unet_middle_block_[012]_\w+"
    r"|te[12]?_text_model_encoder_layers_\d+_(self_attn_(q|k|v|out)_proj|mlp_fc[12]))"
    r"\.(lora_down\.weight|lora_up\.weight|alpha)"
)


def rebuilt(model: BaseModel, path: Path, convolution: tuple[int, float] | None) -> Network:
    """Our own layers on every part, with a file's weights."""
    prefixes = ("lora_te1", "lora_te2") if model.family == "sdxl" else ("lora_te",)
    targets = {
        prefix: text_targets(encoder, prefix)
        for prefix, encoder in zip(prefixes, model.text_encoders, strict=True)
    }
    targets["unet"] = unet_targets(
        model.unet, sgm=model.family == "sdxl", convolutions=convolution is not None
    )
    network = attach(targets, Sizes(4, 2.0, convolution), torch.device("cpu"))
    assert lora_file.load_into(network, path) == []
    return network


def answer(unet: Any, condition: Condition) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    noisy = torch.randn(1, 4, 8, 8, generator=generator)
    sizes = torch.tensor([[64.0, 64, 0, 0, 64, 64]])
    with torch.no_grad():
        return predict(unet, noisy, torch.tensor([300]), condition, sizes)


@pytest.mark.parametrize(("family", "convolution"), [("sd15", None), ("sd15", (2, 1.0)), ("sdxl", (2, 1.0))])
def test_the_file_works_in_diffusers_as_it_did_in_training(
    family: str,
    convolution: tuple[int, float] | None,
    train: Any,
    tiny_models: dict[str, Path],
    tmp_path: Path,
) -> None:
    arguments = [f"conv_dim={convolution[0]}", f"conv_alpha={convolution[1]}"] if convolution else []
    told = train(family, network_train_unet_only=None, text_encoder_lr=1e-2, network_args=arguments)
    assert told.code == 0, told.events
    path = tmp_path / "out" / "tiny.safetensors"
    assert told.of(events.Ended) == [events.Ended("finished", 3, str(path))]
    assert told.of(events.Checkpoint)[-1] == events.Checkpoint(str(path), 3, 1, final=True)
    keys = load_file(path).keys()
    assert not [key for key in keys if not KOHYA_KEY.fullmatch(key)]
    assert {key.split("_")[1] for key in keys} == (
        {"unet", "te"} if family == "sd15" else {"unet", "te1", "te2"}
    )
    assert told.of(events.Step)[0].rates.keys() >= {"unet", "text_encoder"}
    kernels = {tuple(tensor.shape[2:]) for key, tensor in load_file(path).items() if "lora_down" in key}
    assert ((3, 3) in kernels) == (convolution is not None)

    model = load(tiny_models[family], family, torch.float32)
    with torch.no_grad():
        plain = encode(model, ["ohwx"], None)
        base = answer(model.unet, plain)
        network = rebuilt(model, path, convolution)
        condition = encode(model, ["ohwx"], None)
        ours = answer(model.unet, condition)
    assert (condition.states - plain.states).abs().max() > 1e-3
    assert (ours - base).abs().max() > 1e-3

    import diffusers

    kind = diffusers.StableDiffusionXLPipeline if family == "sdxl" else diffusers.StableDiffusionPipeline
    pipeline = kind.from_pretrained(tiny_models[family])
    pipeline.load_lora_weights(str(path.parent), weight_name=path.name)
    theirs = called_like_ours(pipeline, model)
    with torch.no_grad():
        their_condition = encode(theirs, ["ohwx"], None)
    assert (their_condition.states - condition.states).abs().max() < 1e-4
    assert (answer(theirs.unet, their_condition) - ours).abs().max() < 1e-4
    network.enable(False)
    assert (answer(model.unet, plain) - base).abs().max() < 1e-6


def test_what_is_told_and_written(train: Any, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("# a remark\nohwx, round --n dark --w 64 --h 72 --d 11 --l 4 --s 3\n")
    told = train(
        max_train_epochs=3,
        max_train_steps=999,
        gradient_accumulation_steps=2,
        save_every_n_epochs=1,
        save_last_n_epochs=1,
        save_state=True,
        save_precision="fp16",
        sample_every_n_epochs=2,
        sample_at_first=True,
        sample_prompts=str(prompts),
        lr_scheduler="cosine",
        lr_warmup_steps=2,
        clip_skip=2,
        noise_offset=0.05,
        flip_aug=True,
        shuffle_caption=True,
        keep_tokens=1,
    )
    assert told.code == 0, told.events
    # 8 square pictures make 2 batches of 4 and 4 tall ones 1: 3 batches, 2 steps an epoch.
    assert told.of(events.Planned) == [events.Planned(6, 3, 12, 3)]
    steps = told.of(events.Step)
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert [round(step.rates["unet"] / 1e-2, 4) for step in steps] == [0, 0.5, 1, 0.8536, 0.5, 0.1464]
    assert all(step.gradient_norm and step.elapsed and step.average_loss for step in steps)
    # 8 square pictures a first step of two batches, and 4 tall ones the second: 12 in two steps of one epoch.
    for step in steps[2:]:  # the first is no measure, once there is another
        assert step.seconds_per_step
        assert 4 <= step.images_per_second * step.seconds_per_step <= 8
    spent = [step.elapsed for step in steps[1:]]
    assert steps[-1].seconds_per_step == pytest.approx(sum(spent) / len(spent))
    assert all(step.peak_memory and step.peak_memory > 100 * 2**20 for step in steps)
    assert [epoch.epoch for epoch in told.of(events.Epoch)] == [1, 2, 3]
    out = tmp_path / "out"
    names = sorted(path.name for path in out.iterdir())
    assert names == [
        "sample",
        "tiny-000002-state",
        "tiny-000002.safetensors",
        "tiny-state",
        "tiny.safetensors",
    ]
    assert len(told.of(events.Checkpoint)) == 3
    samples = sorted(path.name for path in (out / "sample").iterdir())
    assert [re.sub(r"\d{14}", "TIME", name) for name in samples] == [
        "tiny_e000000_00_TIME_11.png",
        "tiny_e000002_00_TIME_11.png",
    ]
    from PIL import Image

    with Image.open(out / "sample" / samples[0]) as picture:
        assert picture.size == (64, 72)
    phases = [phase.name for phase in told.of(events.Phase)]
    for earlier, later in zip(
        ("starting", "libraries", "dataset", "model", "caching", "network", "training"),
        ("libraries", "dataset", "model", "caching", "network", "training", "saving"),
        strict=True,
    ):
        assert phases.index(earlier) < phases.index(later)
    check_metadata(out / "tiny.safetensors")


def check_metadata(path: Path) -> None:
    with safe_open(path, "pt") as file:
        entries = file.metadata()
        assert file.get_tensor("lora_unet_mid_block_attentions_0_proj_in.alpha").item() == 2
        assert (
            file.get_tensor("lora_unet_mid_block_attentions_0_proj_in.lora_up.weight").dtype == torch.float16
        )
    wanted = {
        "ss_network_module": "networks.lora",
        "ss_network_dim": "4",
        "ss_network_alpha": "2",
        "ss_base_model_version": "sd_v1",
        "ss_sd_model_name": "sd15",
        "ss_learning_rate": "0.01",
        "ss_epoch": "3",
        "ss_steps": "6",
        "ss_num_train_images": "12",
        "modelspec.architecture": "stable-diffusion-v1/lora",
    }
    assert {key: entries[key] for key in wanted} == wanted
    assert json.loads(entries["ss_tag_frequency"])["2_ohwx"]["ohwx"] == 6
    assert json.loads(entries["ss_dataset_dirs"]) == {"2_ohwx": {"n_repeats": 2, "img_count": 6}}
    assert json.loads(entries["ss_bucket_info"])["buckets"]["1"] == {"resolution": [64, 128], "count": 4}
    assert re.fullmatch("[0-9a-f]{64}", entries["sshs_model_hash"])
    assert re.fullmatch("[0-9a-f]{8}", entries["sshs_legacy_hash"])
    assert not [value for value in entries.values() if "/" + path.parts[1] in value]


class StopAfter(StopRequest):
    """Asks to stop once some step was told."""

    def __init__(self, step: int) -> None:
        super().__init__()
        self.step = step

    def watch(self, event: events.Event) -> None:
        if isinstance(event, events.Step) and event.step == self.step:
            self.requested = True


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer_type": "AdamW", "shuffle_caption": True, "flip_aug": True, "cache_latents": False},
        {"optimizer_type": "Prodigy", "learning_rate": 1.0, "network_train_unet_only": None, "seed": None},
    ],
)
def test_a_resumed_training_ends_bit_for_bit_like_an_unbroken_one(
    settings: dict[str, Any], train: Any, write_config: Any, tmp_path: Path
) -> None:
    from loratui.trainer.__main__ import guarded

    settings = {"max_train_steps": 5, "gradient_accumulation_steps": 2, "lr_scheduler": "cosine", **settings}
    stop = StopAfter(3)
    told: list[events.Event] = []

    def emit(event: events.Event) -> None:
        told.append(event)
        stop.watch(event)

    # 2 steps an epoch: step 3 is in the middle of the second.
    assert guarded(write_config(output_name="broken", **settings), Reporter(emit), stop) == 0
    state = tmp_path / "out" / "broken-step00000003-state"
    assert told[-1] == events.Ended("stopped", 3)
    assert (tmp_path / "out" / "broken-step00000003.safetensors").is_file()
    seed = json.loads((state / "train_state.json").read_text())["seed"]
    resumed = train(
        **{**settings, "output_name": "resumed", "resume": str(state), "skip_until_initial_step": True}
    )
    assert resumed.code == 0, resumed.events
    assert resumed.of(events.Planned)[0].first_step == 3
    assert [step.step for step in resumed.of(events.Step)] == [4, 5]
    whole = train(**{**settings, "output_name": "whole", "seed": seed})
    first, second = (load_file(tmp_path / "out" / f"{name}.safetensors") for name in ("whole", "resumed"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    kept = ("loss", "average_loss", "rates", "gradient_norm")
    for one, other in zip(whole.of(events.Step)[3:], resumed.of(events.Step), strict=True):
        assert [getattr(one, key) for key in kept] == [getattr(other, key) for key in kept]


def test_beginning_at_a_step_without_a_state(train: Any) -> None:
    settings = {"max_train_steps": 5, "lr_scheduler": "linear", "skip_until_initial_step": True}
    told = train(initial_step=3, **settings)
    assert told.of(events.Planned)[0].first_step == 3
    steps = told.of(events.Step)
    assert [step.step for step in steps] == [4, 5]
    # The schedule begins where it always does (sd-scripts train_network.py:1263).
    assert steps[1].rates["unet"] / steps[0].rates["unet"] == pytest.approx(4 / 5)
    for wrong, words in (({"initial_epoch": 3}, "initial_epoch"), ({"initial_step": 5}, "nothing is left")):
        refused = train(**settings, **wrong)
        assert refused.code == 2 and words in refused.of(events.Message)[-1].text


def test_resuming_without_skipping_trains_the_full_count_again(train: Any, tmp_path: Path) -> None:
    train(max_train_steps=2, save_state=True)
    state = tmp_path / "out" / "tiny-state"
    again = train(max_train_steps=2, resume=str(state), output_name="again")
    assert [step.step for step in again.of(events.Step)] == [1, 2]
    nothing_left = train(max_train_steps=2, resume=str(state), skip_until_initial_step=True)
    assert nothing_left.code == 1
    assert "nothing is left to train" in nothing_left.of(events.Message)[-1].text
    final = tmp_path / "out" / "tiny.safetensors"
    whole = load_file(final)
    final.unlink()  # it broke off between its last step and its file
    last_part = train(max_train_steps=2, resume=str(state), skip_until_initial_step=True)
    assert last_part.code == 0 and not last_part.of(events.Step)
    assert last_part.of(events.Ended)[-1].outcome == "finished"
    assert all(torch.equal(value, whole[key]) for key, value in load_file(final).items())
    other = train(max_train_steps=2, resume=str(state), network_dim=2, network_alpha=1)
    assert other.code == 1
    assert "another size" in other.of(events.Message)[-1].text


def test_starting_from_weights(train: Any, tmp_path: Path) -> None:
    train(max_train_steps=2)
    weights = tmp_path / "out" / "tiny.safetensors"
    told = train(network_weights=str(weights), learning_rate=1e-9, max_train_steps=1, output_name="more")
    assert told.code == 0
    before, after = load_file(weights), load_file(tmp_path / "out" / "more.safetensors")
    assert all(torch.allclose(before[key], after[key], atol=1e-6) for key in before)
    refused = train(network_weights=str(weights), network_dim=2, network_alpha=2)
    assert refused.code == 1
    assert "another rank" in refused.of(events.Message)[-1].text


def test_a_part_with_rate_0_stays_as_its_weights_had_it(train: Any, tmp_path: Path) -> None:
    train(max_train_steps=2, network_train_unet_only=None, text_encoder_lr=0.05)
    weights = tmp_path / "out" / "tiny.safetensors"
    more = {"network_weights": str(weights), "max_train_steps": 2}
    told = train(**more, network_train_unet_only=None, text_encoder_lr=0.0, output_name="more")
    before, after = load_file(weights), load_file(tmp_path / "out" / "more.safetensors")
    same = {key for key in before if torch.equal(before[key], after[key])}
    assert {key.startswith("lora_te_") for key in before} == {True, False}
    assert same == {key for key in before if key.startswith("lora_te_") or key.endswith(".alpha")}
    without = train(**more, output_name="unet")
    assert load_file(tmp_path / "out" / "unet.safetensors").keys() == {
        key for key in before if key.startswith("lora_unet_")
    }
    losses = [run.of(events.Step)[0].loss for run in (told, without)]
    assert losses[0] != pytest.approx(losses[1], rel=1e-6)


def test_regularization_pictures_weigh_less(train: Any, pictures: Path, tmp_path: Path) -> None:
    folder = tmp_path / "reg" / "1_style"
    folder.mkdir(parents=True)
    (folder / "r.png").write_bytes((pictures / "2_ohwx" / "0.png").read_bytes())
    told = train(reg_data_dir=str(folder.parent), prior_loss_weight=0.0, max_train_epochs=1)
    assert told.of(events.Planned)[0].batches_per_epoch == 6
    assert told.of(events.Planned)[0].images == 12


def test_gradient_checkpointing_and_bf16_train_too(train: Any, tmp_path: Path) -> None:
    plain, saving = (
        train(gradient_checkpointing=flag, network_train_unet_only=None, max_train_steps=2).of(events.Step)
        for flag in (False, True)
    )
    assert [step.loss for step in plain] == pytest.approx([step.loss for step in saving], rel=1e-4)
    whole = train(
        mixed_precision="bf16",
        full_bf16=True,
        save_state=True,
        network_train_unet_only=None,
        max_train_steps=2,
    ).of(events.Step)
    assert len(whole) == 2
    assert whole[0].loss == pytest.approx(plain[0].loss, rel=0.05)
    stored = load_file(tmp_path / "out" / "tiny-state" / "lora.safetensors")
    assert {tensor.dtype for key, tensor in stored.items() if "weight" in key} == {torch.bfloat16}
    half = train(
        mixed_precision="bf16", save_precision="bf16", network_train_unet_only=None, max_train_steps=2
    ).of(events.Step)
    assert len(half) == 2
    assert half[0].loss == pytest.approx(plain[0].loss, rel=0.05)


@pytest.mark.parametrize(("family", "epochs"), [("sd15", 2), ("sdxl", 1)])
def test_samples_in_half_precision_with_trained_text_encoders(
    family: str, epochs: int, train: Any, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ohwx, round --w 64 --h 64 --d 1 --s 2\nohwx --w 64 --h 64 --d 1 --s 2 --l 1\n")
    told = train(
        family,
        mixed_precision="bf16",
        network_train_unet_only=None,
        sample_prompts=str(prompts),
        sample_at_first=True,
        sample_every_n_epochs=epochs,
        max_train_epochs=epochs,
        optimizer_type="prodigy",
        learning_rate=1.0,
        optimizer_args=["weight_decay=0.01", "use_bias_correction=True"],
    )
    assert told.code == 0, told.events
    samples = told.of(events.Sample)
    assert [sample.step for sample in samples] == [0, 0, 3 * epochs, 3 * epochs]
    before = [Path(sample.path).read_bytes() for sample in samples[:2]]
    assert before[0] != before[1]
    assert all(Path(sample.path).is_file() for sample in samples)
    # Prodigy starts at d = 1e-6 and moves up.
    rates = [step.rates["unet"] for step in told.of(events.Step)]
    assert rates[0] == pytest.approx(1e-6)
    if family == "sd15":
        assert rates[-1] > rates[0]


def test_the_text_encoder_alone(train: Any, tmp_path: Path) -> None:
    told = train(network_train_unet_only=None, network_train_text_encoder_only=True)
    assert told.code == 0, told.events
    assert all(step.rates.keys() == {"text_encoder"} for step in told.of(events.Step))
    tensors = load_file(tmp_path / "out" / "tiny.safetensors")
    assert {key.split("_")[1] for key in tensors} == {"te"}
    assert max(float(tensor.abs().max()) for key, tensor in tensors.items() if "lora_up" in key) > 0


def test_v_prediction_trains_another_target(train: Any) -> None:
    epsilon, velocity = (
        train(v_parameterization=flag, max_train_steps=1).of(events.Step)[0].loss for flag in (False, True)
    )
    assert abs(epsilon - velocity) > 0.01
