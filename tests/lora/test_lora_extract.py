from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from loratui.lora.changing.convert import to_single_file
from loratui.lora.changing.extract import extract
from loratui.lora.changing.merge import merge
from loratui.problems import UserError
from tests.support.random_loras import deltas, make_lora, small_checkpoint, targets


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
def test_what_was_merged_comes_out_again(tiny_models: Path, tmp_path: Path, family: str) -> None:
    base, tuned = tiny_models / family, tmp_path / "tuned.safetensors"
    lora = make_lora(tmp_path / "lora.safetensors", targets(base, convolutions=True), rank=3)
    to_single_file(base, tmp_path / "base.safetensors")
    merge(tmp_path / "base.safetensors", [(lora, 1.0)], tuned)
    out = tmp_path / "out.safetensors"
    # one a file, the other a folder
    done = extract(tuned, base, out, rank=3, conv_rank=3, precision="float")
    assert done.kept_energy == pytest.approx(1.0, abs=1e-6)
    assert done.unchanged == 0
    before, after = deltas(lora), deltas(out)
    assert set(before) == set(after)
    for name, delta in before.items():
        torch.testing.assert_close(after[name], delta, rtol=0, atol=1e-5)


def test_the_error_is_what_the_rank_cannot_hold(tmp_path: Path) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors")
    tuned = tmp_path / "tuned.safetensors"
    tensors = load_file(base)
    name = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"
    change = torch.randn(tensors[name].shape, generator=torch.Generator().manual_seed(1))
    save_file(tensors | {name: tensors[name] + change}, tuned)
    done = extract(tuned, base, tmp_path / "out.safetensors", rank=2, precision="float")
    squares = torch.linalg.svdvals(change.double()).square()
    assert done.error == pytest.approx(float((squares[2:].sum() / squares.sum()).sqrt()), rel=1e-5)
    assert (done.modules, done.unchanged) == (1, 2)


def test_the_same_model_twice_gives_nothing(tmp_path: Path) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors")
    with pytest.raises(UserError, match="does not differ"):
        extract(base, base, tmp_path / "out.safetensors", rank=2)
    assert not (tmp_path / "out.safetensors").exists()


def test_two_families_are_refused(tiny_models: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no fine-tune of sdxl: \d+ layers"):
        extract(tiny_models / "sd15", tiny_models / "sdxl", tmp_path / "out.safetensors", rank=2)
