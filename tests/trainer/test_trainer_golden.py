"""The command that replays recorded steps, on recordings of the tiny models made here.

The orders are drawn by Python's global generator, step by step as the recordings' README tells it of
sd-scripts, so that they owe nothing to the code under test.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import save_file

from loratui import kohya_config
from loratui.trainer import golden
from loratui.trainer.assembly import network_on, stepper_for
from loratui.trainer.base.loading import load
from loratui.trainer.captions.text import encode_tokens, tokenize
from loratui.trainer.optimizing import optimizers
from loratui.trainer.pictures.data import load_items, size_conditions
from loratui.trainer.settings.config_file import load_config
from loratui.trainer.stepping import Fed

CPU = torch.device("cpu")
SEED = 1234
Record = Callable[..., Path]


def drawn_epochs(
    buckets: list[list[str]], captions: dict[str, str], sizes: list[tuple[int, int]], multires: int
) -> list[list[Any]]:
    """Two epochs of batches of (name, caption), two pictures each; ``sizes`` of the buckets' latents. Between
    the fetches multires noise draws from the same generator."""
    batches = [
        (bucket, start) for bucket in range(len(buckets)) for start in range(0, len(buckets[bucket]), 2)
    ]

    def turn(seed: int) -> None:
        random.seed(seed)
        random.shuffle(batches)
        for bucket in buckets:
            random.shuffle(bucket)

    def fetch(place: int) -> list[Any]:
        bucket, start = batches[place]
        found = []
        for name in buckets[bucket][start : start + 2]:
            first, *rest = captions[name].split(", ")
            random.shuffle(rest)
            found.append((name, ", ".join([first, *rest])))
        return found

    def disturb(bucket: int) -> None:
        height, width = sizes[bucket]
        for layer in range(multires):
            shrink = (random.random() * 2 + 2) ** layer
            if height / shrink < 2 or width / shrink < 2:
                break

    turn(0)
    epochs = []
    for epoch in (1, 2):
        places = torch.randperm(len(batches)).tolist()
        # One batch is fetched ahead of the step, and the dataset turns after an epoch's first.
        before, first = list(batches), places[0]
        fetched = [fetch(first)]
        turn(SEED + epoch)
        taken = [before[first], *(batches[place] for place in places[1:])]
        for number, place in enumerate(places[1:]):
            fetched.append(fetch(place))
            disturb(taken[number][0])
        disturb(taken[-1][0])
        epochs.append(fetched)
    return epochs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where recordings are kept for the next test, by family."""
    return tmp_path_factory.mktemp("recordings")


@pytest.fixture
def record(
    tmp_path: Path, tiny_models: dict[str, Path], pictures: Path, write_config: Any, made: Path
) -> Record:
    """Records a training of two epochs with this trainer's own step, in the format of the recordings."""

    def copied(family: str, **changes: Any) -> Path:
        """To be changed by the test; a plain one is recorded once."""
        kept = made / family
        if changes or not kept.exists():
            make(family, **changes)
            if not changes:
                shutil.copytree(tmp_path, kept)
                (kept / "from").write_text(str(tmp_path))
        else:
            shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
            config = tmp_path / "dev" / "one" / "config.toml"
            config.write_text(config.read_text().replace((kept / "from").read_text(), str(tmp_path)))
        return tmp_path / "dev" / "one"

    def make(family: str, **changes: Any) -> None:
        common, folder = tmp_path / "common", tmp_path / "dev" / "one"
        shutil.copytree(tiny_models[family], common / "model")
        shutil.copytree(pictures, common / "dataset" / "train")
        folder.mkdir(parents=True)
        values = {
            "pretrained_model_name_or_path": str(common / "model"),
            "train_data_dir": str(common / "dataset" / "train"),
            "train_batch_size": 2,
            "shuffle_caption": True,
            "keep_tokens": 1,
            "max_train_epochs": 2,
            "gradient_accumulation_steps": 4,
            "max_grad_norm": 0.05,
            **changes,
        }
        path = write_config(family, **values)
        shutil.move(path, folder / "config.toml")
        config = load_config(folder / "config.toml")
        model = load(common / "model", family, torch.float32)
        items = {f"dataset/train/2_ohwx/{item.picture.path.name}": item for item in load_items(config)}
        sizes = sorted({item.placement.bucket for item in items.values()})
        buckets = [
            [name for name, item in items.items() if item.placement.bucket == size for _ in range(2)]
            for size in sizes
        ]
        captions = {name: item.caption for name, item in items.items()}
        latent_sizes = [(height // 8, width // 8) for width, height in sizes]
        epochs = drawn_epochs(buckets, captions, latent_sizes, config.multires_noise_iterations or 0)
        torch.manual_seed(5)
        network = network_on(config, model, CPU)
        for layer in network.layers.values():
            torch.nn.init.normal_(layer.weights[1], std=0.02)
        save_file({k: v.clone() for k, v in network.tensors().items()}, folder / "initial_lora.safetensors")
        accelerator = Accelerator(cpu=True)
        stepper = stepper_for(config, optimizers.choose(config), accelerator, model.unet, network, 4)
        tensors: dict[str, torch.Tensor] = {}
        passes: list[dict[str, Any]] = []
        steps: list[dict[str, Any]] = []
        for number, batches in enumerate(epochs):
            for first in range(0, len(batches), 4):
                chunk = []
                for place, batch in enumerate(batches[first : first + 4], first):
                    shown = [items[name] for name, _ in batch]
                    words = [caption for _, caption in batch]
                    width, height = shown[0].placement.bucket
                    noise, latents = torch.randn(2, len(batch), 4, height // 8, width // 8)
                    tokens = tokenize(model, words)
                    with torch.no_grad():
                        condition = encode_tokens(model, tokens, None)
                    fed = Fed(
                        latents,
                        noise,
                        torch.randint(0, 1000, (len(batch),)),
                        condition,
                        torch.tensor([size_conditions(item, flipped=False) for item in shown]),
                        torch.ones(len(batch)),
                    )
                    prefix = f"micro.{len(passes):03d}."
                    kinds = ("input_ids_1", "input_ids_2") if family == "sdxl" else ("input_ids",)
                    tensors |= {prefix + kind: t.ids for kind, t in zip(kinds, tokens, strict=True)}
                    tensors |= {prefix + "latents": latents.clone(), prefix + "noise": noise.clone()}
                    tensors[prefix + "timesteps"] = fed.timesteps
                    entry = {
                        "images": [name for name, _ in batch],
                        "captions": words,
                        "flipped": [False] * len(batch),
                        "dataset_epoch_at_fetch": number + (place > 0),
                    }
                    passes.append(entry)
                    chunk.append((prefix, fed))
                done = stepper.step(len(steps), [lambda fed=fed: fed for _, fed in chunk])  # type: ignore[misc]
                for (prefix, _), loss in zip(chunk, done.losses, strict=True):
                    tensors[prefix + "loss"] = torch.tensor(loss)
                lrs = [{"lr": rate} for rate in done.rates]
                steps.append(
                    {"after_micro": len(passes) - 1, "grad_norm_before_clip": done.norm, "groups": lrs}
                )
        registered = [
            {
                "image": name,
                "num_repeats": item.repeats,
                "is_reg": False,
                "caption": item.caption,
                "bucket": item.placement.bucket,
                "resized_size": item.placement.resized,
            }
            for name, item in items.items()
        ]
        facts = {
            "registered": registered,
            "dataset_seed": SEED,
            "batches_before_shuffle": [0] * len(epochs[0]),
            "micro_steps": passes,
            "optimizer_steps": steps,
        }
        (folder / "record.json").write_text(json.dumps(facts))
        save_file(tensors, folder / "record.safetensors")
        with optimizers.averaged(stepper.optimizer):
            final = {k: v.clone() for k, v in network.tensors().items()}
        save_file(final, folder / "final_lora.safetensors")

    return copied


def replayed(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    code = golden.main([str(folder.parent), "--json"])
    (row,) = json.loads(capsys.readouterr().out)["configurations"]
    return code, row


def test_a_recording_of_itself_is_equal(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    folder = record("sd15", optimizer_type="AdamWScheduleFree", multires_noise_iterations=8)
    code, row = replayed(folder, capsys)
    assert list(row) == ["name", "loss", "grad_norm", "lr", "weights", "captions_equal", "order_equal"]
    assert row.pop("name") == "one"
    assert (code, row.pop("captions_equal"), row.pop("order_equal")) == (0, True, True)
    assert max(row.values()) < 1e-6


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"max_grad_norm": 0.001}, {"weights"}),
        ({"learning_rate": 0.02}, {"lr", "weights"}),
        ({"min_snr_gamma": 5.0}, {"loss", "grad_norm"}),
        ({"network_alpha": 3}, None),
        ({"keep_tokens": 2}, {"captions_equal"}),
        ({"gradient_accumulation_steps": 3}, {"grad_norm"}),
    ],
)
def test_what_differs_is_found(
    changes: dict[str, Any], wrong: set[str] | None, record: Record, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record("sd15")
    flat = kohya_config.read(folder / "config.toml") | changes
    (folder / "config.toml").write_text(kohya_config.dumps({"all": flat}))
    code, row = replayed(folder, capsys)
    assert code == 1
    for key in wrong or ():
        assert row[key] is False or row[key] > golden.LIMITS[key], (key, row)


def test_pictures_that_are_not_the_recorded_ones(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    folder = record("sd15")
    caption = next((folder.parent.parent / "common" / "dataset" / "train" / "2_ohwx").glob("*.txt"))
    caption.write_text("something else")
    code, row = replayed(folder, capsys)
    assert (code, row["captions_equal"], row["order_equal"]) == (1, False, False)


def test_nothing_to_replay(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert golden.main([str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert str(tmp_path) in said
    assert "Traceback" not in said
