"""What we write means to diffusers what it means to us."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loratui.lora.changing.convert import to_folder, to_single_file
from loratui.lora.changing.merge import merge
from loratui.lora.changing.rename import rename
from tests.support.random_loras import make_lora, targets

FAMILIES = ("sd15", "sdxl")
PARTS = ("unet", "vae", "text_encoder", "text_encoder_2")


def pipeline(path: Path, family: str, config: Path | None = None) -> Any:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    kind = StableDiffusionXLPipeline if family == "sdxl" else StableDiffusionPipeline
    if path.is_dir():
        return kind.from_pretrained(path, local_files_only=True)
    return kind.from_single_file(str(path), config=str(config), local_files_only=True)


def states(pipe: Any) -> dict[str, torch.Tensor]:
    return {
        f"{part}.{key}": tensor
        for part in PARTS
        if getattr(pipe, part, None) is not None
        for key, tensor in getattr(pipe, part).state_dict().items()
    }


def assert_equal(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor], error: float = 0.0) -> None:
    assert set(one) == set(two)
    for key, tensor in one.items():
        torch.testing.assert_close(tensor, two[key], rtol=0, atol=error)


def fused(base: Path, family: str, lora: Path, strength: float) -> dict[str, torch.Tensor]:
    pipe = pipeline(base, family)
    pipe.load_lora_weights(str(lora.parent), weight_name=lora.name)
    pipe.fuse_lora(lora_scale=strength)
    pipe.unload_lora_weights()
    return states(pipe)


@pytest.mark.parametrize("family", FAMILIES)
def test_merging_is_what_fuse_lora_does(tiny_models: Path, tmp_path: Path, family: str) -> None:
    base = tiny_models / family
    modules = targets(base, convolutions=True)
    lora = make_lora(tmp_path / "lora.safetensors", modules, rank=4, alpha=3.0)
    wanted = fused(base, family, lora, 0.7)
    changed = [
        key for key, tensor in states(pipeline(base, family)).items() if not torch.equal(tensor, wanted[key])
    ]
    assert len(changed) == len(modules)

    merge(base, [(lora, 0.7)], tmp_path / "folder")
    assert_equal(states(pipeline(tmp_path / "folder", family)), wanted, 1e-5)

    to_single_file(base, tmp_path / "base.safetensors")
    merge(tmp_path / "base.safetensors", [(lora, 0.7)], tmp_path / "single.safetensors")
    assert_equal(states(pipeline(tmp_path / "single.safetensors", family, base)), wanted, 1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_converted_model_is_the_same_model(tiny_models: Path, tmp_path: Path, family: str) -> None:
    base = tiny_models / family
    single, folder = tmp_path / "single.safetensors", tmp_path / "folder"
    to_single_file(base, single)
    to_folder(single, folder, config=base)
    wanted = states(pipeline(base, family))
    assert_equal(states(pipeline(single, family, base)), wanted)
    assert_equal(states(pipeline(folder, family)), wanted)


@pytest.mark.parametrize(("family", "alpha"), [("sd15", 2.0), ("sd15", 3.0), ("sdxl", 3.0)])
def test_a_renamed_lora_is_the_same_lora(
    tiny_models: Path, tmp_path: Path, family: str, alpha: float
) -> None:
    base = tiny_models / family
    kohya = make_lora(tmp_path / "kohya.safetensors", targets(base, convolutions=True), rank=4, alpha=alpha)
    done = rename(kohya, tmp_path / "peft.safetensors")
    assert done.family == family
    # 3/4 cannot go into the weights exactly: it stays beside them
    assert done.strength_in_metadata == (alpha == 3.0)
    assert_equal(
        fused(base, family, tmp_path / "peft.safetensors", 0.5), fused(base, family, kohya, 0.5), 1e-6
    )
    rename(tmp_path / "peft.safetensors", tmp_path / "back.safetensors")
    assert_equal(load_file(tmp_path / "back.safetensors"), load_file(kohya))


def test_the_pictures_are_the_same(tiny_models: Path, tmp_path: Path) -> None:
    base = tiny_models / "sd15"
    to_single_file(base, tmp_path / "single.safetensors")
    to_folder(tmp_path / "single.safetensors", tmp_path / "folder", config=base)
    pictures = []
    for path in (base, tmp_path / "folder", tmp_path / "single.safetensors"):
        pipe = pipeline(path, "sd15", base)
        pipe.set_progress_bar_config(disable=True)
        generator = torch.Generator().manual_seed(1)
        done = pipe(
            "a cat", num_inference_steps=2, height=64, width=64, generator=generator, output_type="np"
        )
        pictures.append(torch.from_numpy(done.images))
    assert torch.equal(pictures[0], pictures[1])
    assert torch.equal(pictures[0], pictures[2])


def test_the_shipped_tokenizer_reads_as_clip_does(tmp_path: Path) -> None:
    from transformers import CLIPTokenizer

    from loratui.lora.files.folder_files import _write_tokenizer

    _write_tokenizer(tmp_path / "tokenizer", "!")
    tokenizer = CLIPTokenizer.from_pretrained(tmp_path / "tokenizer")
    # Known numbers of OpenAI's CLIP.
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer.pad_token_id == 0
