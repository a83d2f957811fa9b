"""How pictures and captions are shown: sd-scripts' rules for datasets, crops, masks, validation, caches."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
import torch
from PIL import Image

from loratui import events, kohya_config
from loratui.advice.steps import count_config
from loratui.trainer.objective import loss_of_samples
from loratui.trainer.pictures.augment import Color, recolored
from loratui.trainer.pictures.pixels import resize


def losses(told: Any) -> list[float]:
    assert told.code == 0, told.events
    return [step.loss for step in told.of(events.Step)]


def said(told: Any) -> str:
    assert told.code == 2, told.events
    return str(told.of(events.Message)[-1].text)


def dataset_config(folder: Path, document: dict[str, Any], kind: str = "toml") -> str:
    path = folder / f"data.{kind}"
    path.write_text(json.dumps(document) if kind == "json" else tomli_w.dumps(document))
    return str(path)


@pytest.fixture
def mixed(tmp_path: Path, pictures: Path) -> dict[str, Any]:
    """Two datasets of the pictures, with batch sizes, sizes and captions of their own."""
    folder = str(pictures / "2_ohwx")
    small = {"resolution": 64, "enable_bucket": False, "batch_size": 2}
    return {
        "general": {"caption_extension": "txt", "num_repeats": 2, "shuffle_caption": True},
        "datasets": [
            {"batch_size": 3, "subsets": [{"image_dir": folder, "flip_aug": True, "keep_tokens": 1}]},
            {**small, "subsets": [{"image_dir": folder, "num_repeats": 1, "caption_prefix": "a photo of"}]},
        ],
    }


def test_several_datasets_make_one_training(
    tmp_path: Path, mixed: dict[str, Any], train: Any, write_config: Any
) -> None:
    changes = {"train_data_dir": None, "max_train_steps": None, "max_train_epochs": 1}
    config = write_config(dataset_config=dataset_config(tmp_path, mixed), **changes)
    count = count_config(kohya_config.read(config), "train_network")
    # 8 squares and 4 tall ones by 3, and 6 of one size by 2.
    assert count.batches_per_epoch == 3 + 2 + 3
    told = train(dataset_config=dataset_config(tmp_path, mixed, "json"), **changes)
    assert len(losses(told)) == count.total_steps == 8
    (planned,) = told.of(events.Planned)
    assert (planned.images, planned.batches_per_epoch) == (18, 8)


@pytest.mark.parametrize(
    ("dataset", "subset", "changes", "words"),
    [
        ({}, {"random_crop": True}, {}, ["random_crop", "[[datasets]] 1, subset 1", "cache_latents"]),
        ({}, {"repeats": 2}, {}, ["repeats", "num_repeats"]),
        ({}, {"metadata_file": "/no/x.json", "custom_attributes": {"a": 1}}, {}, ["/no/x.json"]),
        ({"batch_size": 0}, {}, {}, ["train_batch_size", "[[datasets]] 1"]),
        ({"min_bucket_reso": 256}, {}, {}, ["min_bucket_reso", "[[datasets]] 1"]),
        ({}, {}, {"dataset_config": "/no/such.toml"}, ["/no/such.toml"]),
        ({}, {"caption_dropout_rate": 1.5}, {}, ["caption_dropout_rate", "subset 1"]),
    ],
)
def test_dataset_configs_that_are_refused(
    dataset: dict[str, Any],
    subset: dict[str, Any],
    changes: dict[str, Any],
    words: list[str],
    tmp_path: Path,
    pictures: Path,
    train: Any,
) -> None:
    document = {"datasets": [{**dataset, "subsets": [{"image_dir": str(pictures / "2_ohwx"), **subset}]}]}
    path = dataset_config(tmp_path, document)
    text = said(train(**{"dataset_config": path, "train_data_dir": None, **changes}))
    assert all(word in text for word in words), text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"random_crop": True}, ["random_crop", "cache_latents"]),
        ({"color_aug": True}, ["color_aug", "cache_latents"]),
        ({"masked_loss": True}, ["masked_loss", "alpha_mask"]),
        ({"validation_split": 1.0}, ["validation_split"]),
        (
            {"face_crop_aug_range": "2.0,4.0", "enable_bucket": False, "cache_latents": False},
            ["face_crop_aug_range", "with enable_bucket or cache_latents it changes nothing"],
        ),
    ],
)
def test_what_contradicts_itself_is_said_before_the_model_is_loaded(
    changes: dict[str, Any], words: list[str], train: Any
) -> None:
    told = train(**changes)
    assert all(word in said(told) for word in words)
    assert "model" not in [phase.name for phase in told.of(events.Phase)]


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """One picture, black on the left and white on the right, opaque on the right alone."""
    folder = tmp_path / "wide" / "4_ohwx"
    folder.mkdir(parents=True)
    pixels = np.zeros((64, 256, 4), np.uint8)
    pixels[:, 128:] = 255
    Image.fromarray(pixels, "RGBA").save(folder / "a.png")
    return folder.parent


def test_random_crop_shows_another_part_each_time(wide: Path, train: Any) -> None:
    seen: list[tuple[int, ...]] = []
    from loratui.trainer.pictures.latents import LatentCache

    shown = LatentCache.shown

    def watched(self: LatentCache, one: Any) -> Any:
        seen.append(one.crop)
        return shown(self, one)

    settings = {
        "train_data_dir": str(wide),
        "resolution": "64",
        "max_bucket_reso": 64,
        "cache_latents": False,
        "train_batch_size": 4,
        "max_train_steps": 2,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LatentCache, "shown", watched)
        for more in ({"color_aug": True}, {"enable_bucket": False}):
            seen.clear()
            losses(train("sdxl", random_crop=True, **settings, **more))
            assert len({left for left, _ in seen}) > 4
            assert {top for _, top in seen} == {0}
    small = train(random_crop=True, **{**settings, "resolution": "128"}, enable_bucket=False)
    assert small.code == 1
    assert "a.png: it is 256x64" in small.of(events.Message)[-1].text


def test_the_loss_counts_by_the_alpha_channel(wide: Path, train: Any) -> None:
    settings = {"train_data_dir": str(wide), "resolution": "256,64", "max_bucket_reso": 256}
    settings |= {"train_batch_size": 4, "max_train_steps": 1, "flip_aug": True}
    whole = losses(train(**settings))
    masked = losses(train(alpha_mask=True, masked_loss=True, **settings))
    # Half of it is transparent; the divisor stays the same.
    assert 0.3 < masked[0] / whole[0] < 0.7
    kept = {"alpha_mask": True, "cache_latents_to_disk": True}
    first = losses(train(**kept, **settings))
    with np.load(wide / "4_ohwx" / "a_0256x0064_sd.npz") as opened:
        assert (opened["alpha_mask"].shape, opened["alpha_mask"].dtype) == ((64, 256), np.float32)
    assert losses(train(**kept, **settings)) == first == masked
    errors = loss_of_samples(
        torch.ones(2, 4, 1, 2), torch.zeros(2, 4, 1, 2), mask=torch.tensor([[[[1.0, 0]]]])
    )
    assert errors.tolist() == [0.5, 0.5]


def test_the_loss_counts_by_a_folder_of_masks(wide: Path, tmp_path: Path, train: Any) -> None:
    folder = tmp_path / "masks"
    folder.mkdir()
    with Image.open(wide / "4_ohwx" / "a.png") as picture:
        picture.getchannel("A").save(folder / "a.png")
    settings = {"resolution": "256,64", "max_bucket_reso": 256, "train_batch_size": 4, "max_train_steps": 1}
    subset = {"image_dir": str(wide / "4_ohwx"), "num_repeats": 4}
    by_folder = {"datasets": [{"subsets": [{**subset, "conditioning_data_dir": str(folder)}]}]}
    by_alpha = {"datasets": [{"subsets": [{**subset, "alpha_mask": True}]}]}

    def told(document: dict[str, Any], **changes: Any) -> Any:
        path = dataset_config(tmp_path, document)
        return train(train_data_dir=None, dataset_config=path, **settings, **changes)

    kept_as_is = {**subset, "custom_attributes": {"diff_output_preservation": True}}
    # A fresh LoRA changes nothing yet, so there is nothing to give back.
    assert losses(told({"datasets": [{"subsets": [kept_as_is]}]})) == [0.0]
    wanted = losses(told(by_alpha))
    for _ in ("written", "read"):
        assert losses(told(by_folder, masked_loss=True, cache_latents_to_disk=True)) == wanted
    assert "masked_loss" in said(told(by_folder))
    Image.new("RGB", (8, 8)).save(folder / "a.png")
    small = told(by_folder, masked_loss=True)
    assert small.code == 1
    assert "a.png: it is 8x8, and its picture 256x64" in small.of(events.Message)[-1].text
    (folder / "a.png").unlink()
    assert "no mask" in told(by_folder, masked_loss=True).of(events.Message)[-1].text


def test_validation_pictures_are_not_trained_on_and_change_nothing(train: Any, pictures: Path) -> None:
    settings = {
        "validation_split": 0.34,
        "validation_seed": 3,
        "max_train_epochs": 2,
        "max_train_steps": None,
    }
    told = train(validate_every_n_steps=2, **settings)
    plain = losses(told)
    assert told.of(events.Planned)[0].images == 8
    found = [(one.step, one.validation_loss) for one in told.of(events.Measured)]
    assert [step for step, _ in found] == ([2, 3, 4, 6] if len(plain) == 6 else [2, 4])
    assert all(loss and 0.1 < loss < 10 for _, loss in found)
    assert len({loss for _, loss in found}) == len(found)
    # It draws its noise apart: the training is the same without it.
    assert losses(train(validate_every_n_epochs=9, **settings)) == plain


def test_tags_are_warmed_up(train: Any) -> None:
    from loratui.trainer.captions.conditions import Conditions

    seen: list[list[str]] = []
    get = Conditions.get

    def watched(self: Conditions, captions: Any) -> Any:
        seen.append(list(captions))
        return get(self, captions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Conditions, "get", watched)
        losses(train(token_warmup_step=0.75, token_warmup_min=1, keep_tokens=1, max_train_steps=4))
    counts = [{caption.count(",") + 1 for caption in batch} for batch in seen]
    assert counts == [{2}, {2}, {3}, {4}]


def test_text_encoder_outputs_on_disk_are_sd_scripts_own_and_are_used_again(
    tmp_path: Path, pictures: Path, train: Any
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(pictures, folder)
    settings = {"train_data_dir": str(folder), "cache_text_encoder_outputs_to_disk": True}
    settings |= {"max_train_steps": 1, "train_batch_size": 12, "enable_bucket": False, "resolution": "64"}
    first = losses(train("sdxl", **settings))
    assert sorted(path.name for path in folder.rglob("*.npz")) == [f"{n}_te_outputs.npz" for n in range(6)]
    path = folder / "2_ohwx" / "0_te_outputs.npz"
    with np.load(path) as opened:
        arrays = {key: opened[key] for key in opened.files}
    assert list(arrays) == ["hidden_state1", "hidden_state2", "pool2"]
    assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}
    assert [len(array.shape) for array in arrays.values()] == [2, 2, 1]
    assert len(arrays["hidden_state1"]) == len(arrays["hidden_state2"]) == 77
    assert losses(train("sdxl", **settings)) == first
    # What lies there is what is trained on, unless it cannot be of this model.
    np.savez(path, **{**arrays, "pool2": arrays["pool2"] * 2})
    theirs = train("sdxl", **settings)
    assert "pooled output" in next(one.text for one in theirs.of(events.Message))
    assert losses(theirs) != first
    np.savez(path, **{**arrays, "hidden_state1": arrays["hidden_state1"] * 9})
    again = train("sdxl", **settings)
    assert losses(again) == first
    assert "another model's" in next(one.text for one in again.of(events.Message))
    refused = train("sdxl", caption_prefix="a", **settings)
    assert "caption_prefix" in said(refused)


def test_resizing_by_name_is_opencvs() -> None:
    """Values of cv2.resize and PIL for a ramp."""
    ramp = np.repeat(np.array([[0, 100, 40, 220]], np.uint8)[..., None], 3, axis=2)

    def row(kind: str, width: int) -> list[int]:
        return list(resize(ramp, (width, 1), kind)[0, :, 0].tolist())

    assert row("nearest", 2) == [100, 220]
    assert row("bilinear", 2) == [50, 130]
    assert row("area", 2) == [50, 130]
    assert row("bilinear", 8) == [0, 25, 75, 85, 55, 85, 175, 220]
    assert row("area", 6) == [0, 50, 100, 40, 130, 220]
    assert row("box", 2) == [50, 130]


def test_colours_turn_and_alpha_stays() -> None:
    red = np.array([[[200, 50, 50, 7]]], np.uint8)
    turned = recolored(red, Color("hue", 8.0))[0, 0].tolist()
    assert turned[3] == 7 and turned[:3] != [200, 50, 50] and max(turned[:3]) == 200
    assert recolored(red, Color("gamma", 0.95))[0, 0].tolist() == [153, 41, 41, 7]
