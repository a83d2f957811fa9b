"""What the trainer computes, against what sd-scripts computed (``golden/README.md``)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loratui import kohya_config
from loratui.trainer.loading import BaseModel, encoder_classes, text_encoder
from loratui.trainer.recorded_order import captions_follow, items_by_name, order_follows, tokens_of
from loratui.trainer.recording import Recording, read
from loratui.trainer.stepping import Diffusion, Fed, Stepper
from loratui.trainer.text import Condition, encode_tokens
from loratui.trainer.tokenizer import clip_tokenizer

GOLDEN = Path(__file__).parent / "golden"
NAMES = ["l_shuffle_keep1", "l_weighted"]
CPU = torch.device("cpu")


@pytest.fixture
def recording(request: pytest.FixtureRequest, tmp_path: Path, tiny_models: dict[str, Path]) -> Recording:
    """A copy of a recording; its base model is only looked at for its family."""
    shutil.copytree(GOLDEN, tmp_path / "golden")
    folder = tmp_path / "golden" / "dev" / request.param
    flat = kohya_config.read(folder / "config.toml")
    flat["pretrained_model_name_or_path"] = str(tiny_models["sd15"])
    (folder / "config.toml").write_text(kohya_config.dumps({"all": flat}))
    return read(folder, tmp_path / "golden" / "common")


@pytest.fixture(scope="module")
def model() -> BaseModel:
    folder = GOLDEN / "common" / "text_encoder"
    weights = load_file(folder / "used_tokens.safetensors")
    numbers, name = weights.pop("token_numbers"), "text_model.embeddings.token_embedding.weight"
    embedding = torch.zeros(49408, weights[name].shape[1], dtype=weights[name].dtype)
    embedding[numbers] = weights[name]
    encoder = text_encoder(encoder_classes()[0], weights | {name: embedding}, folder, torch.float32)
    return BaseModel("sd15", None, None, [encoder.eval()], [clip_tokenizer()])


@pytest.mark.parametrize("recording", NAMES, indirect=True)
def test_captions_and_order_follow_from_the_seeds(recording: Recording, model: BaseModel) -> None:
    items = items_by_name(recording)
    assert order_follows(recording, items)
    assert captions_follow(recording, items, model)


@pytest.mark.parametrize("recording", ["l_shuffle_keep1"], indirect=True)
def test_another_seed_gives_another_order_and_other_captions(recording: Recording, model: BaseModel) -> None:
    items = items_by_name(recording)
    recording.facts["dataset_seed"] += 1
    assert not order_follows(recording, items)
    assert not captions_follow(recording, items, model)


@pytest.mark.parametrize("recording", ["l_shuffle_keep1"], indirect=True)
def test_a_batch_that_comes_twice_is_no_order(recording: Recording) -> None:
    recording.passes[2]["images"] = recording.passes[3]["images"]
    assert not order_follows(recording, items_by_name(recording))


@pytest.mark.parametrize("recording", ["l_weighted"], indirect=True)
def test_the_text_encoder_says_the_same(recording: Recording, model: BaseModel) -> None:
    for number in range(len(recording.passes)):
        with torch.no_grad():
            found = encode_tokens(model, tokens_of(recording, model, number), None).states
        torch.testing.assert_close(found, recording.tensor(number, "cond"), rtol=1e-5, atol=1e-5)


class Answers:
    """Stands where the U-Net would: keeps what it was asked, and answers as the recorded one did."""

    def __init__(self, recording: Recording) -> None:
        self.recording = recording
        self.number = 0
        self.asked: list[torch.Tensor] = []

    def __call__(self, noisy: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor]:
        self.asked.append(noisy)
        return (self.recording.tensor(self.number, "model_pred"),)


@pytest.mark.parametrize("recording", NAMES, indirect=True)
def test_what_goes_into_the_unet_and_the_loss_are_equal(recording: Recording) -> None:
    config, unet = recording.config, Answers(recording)
    parts: Any = (None, unet, None, None, None, Diffusion.of(config, CPU), ())
    stepper = Stepper(config, *parts)
    items = items_by_name(recording)
    for number, entry in enumerate(recording.passes):
        unet.number = number
        weights = torch.tensor([items[image].weight for image in entry["images"]])
        fed = Fed(
            recording.tensor(number, "latents"),
            recording.tensor(number, "noise"),
            recording.tensor(number, "timesteps"),
            Condition(torch.zeros(1)),
            torch.zeros(len(weights), 6),
            weights,
        )
        assert float(stepper.loss(fed)) == pytest.approx(float(recording.tensor(number, "loss")), rel=1e-6)
        # Processors differ in the last bit.
        wanted = recording.tensor(number, "noisy_latents")
        torch.testing.assert_close(unet.asked[number], wanted, rtol=1e-6, atol=1e-6)


@pytest.mark.skipif("LORATUI_GOLDEN" not in os.environ, reason="LORATUI_GOLDEN names no recordings")
def test_the_whole_recordings() -> None:
    """Where they are: ``LORATUI_GOLDEN=DIR``, beside which ``common`` lies."""
    command = [sys.executable, "-m", "loratui.trainer.golden", os.environ["LORATUI_GOLDEN"], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["configurations"]
