"""What is done while the libraries load, and what the training makes of it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from loratui.trainer.base import readahead as module
from loratui.trainer.base.loading import load
from loratui.trainer.captions.conditions import Conditions

CPU = torch.device("cpu")


def test_a_model_that_is_gone_is_left_to_the_training_to_miss(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.safetensors", tmp_path):
        work = module.read_ahead(path)
        work.join(10)
        assert not work.is_alive()


def test_the_files_of_a_folder_are_read(
    tiny_models: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    monkeypatch.setattr(module, "_into_cache", read.append)
    module.read_ahead(tiny_models["sd15"]).join(10)
    assert {path.parent.name for path in read} == {"unet", "vae", "text_encoder"}


def test_a_file_is_read_whole_unless_it_is_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(bytes(3_000_000))
    sent: list[int] = []
    sendfile = os.sendfile

    def counting(*given: int) -> int:
        sent.append(sendfile(*given))
        return sent[-1]

    monkeypatch.setattr(os, "sendfile", counting)
    monkeypatch.setattr(module, "_is_cached", lambda descriptor, size: False)
    module._into_cache(path)
    assert sum(sent) == 3_000_000
    monkeypatch.setattr(module, "_is_cached", lambda descriptor, size: True)
    sent.clear()
    module._into_cache(path)
    assert not sent


def test_captions_encoded_together_mean_what_each_means_alone(tiny_models: dict[str, Path]) -> None:
    model = load(tiny_models["sdxl"], "sdxl", torch.float32, decodes=False)
    texts = [f"number {number}, " + "long " * number for number in range(11)]
    told = []
    together = Conditions(model, None, CPU, trained=False)
    together.remember(texts, lambda done, total: told.append((done, total)))
    assert told == [(0, 11), (8, 11), (11, 11)]
    for text in texts:
        alone = Conditions(model, None, CPU, trained=False).plain(text)
        found = together.plain(text)
        torch.testing.assert_close(found.states, alone.states, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found.pooled, alone.pooled, rtol=1e-4, atol=1e-5)
        assert found.states.untyped_storage().nbytes() == alone.states.untyped_storage().nbytes()


def test_half_a_vae_encodes_as_the_whole(tiny_models: dict[str, Path]) -> None:
    whole = load(tiny_models["sd15"], "sd15", torch.float32).vae
    half = load(tiny_models["sd15"], "sd15", torch.float32, decodes=False).vae
    picture = torch.rand(1, 3, 64, 64)
    for one, other in zip(whole.encode(picture), half.encode(picture), strict=True):
        assert torch.equal(one, other)
    kept = {key.partition(".")[0] for key in half.state_dict()}
    assert kept == {"encoder", "quant_conv"}


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_a_large_block_that_was_freed_is_there_again_without_new_pages() -> None:
    code = """
import resource, sys
import numpy
from loratui.trainer.allocator import keep_freed_blocks

def pages_made():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    numpy.empty(100_000_000, numpy.uint8).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

before = [pages_made(), pages_made()]
keep_freed_blocks()
print(*before, pages_made(), pages_made())
"""
    # Pages as small as they come, whatever size numpy asks for.
    environment = {**os.environ, "NUMPY_MADVISE_HUGEPAGE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True, timeout=60
    )
    first, second, kept_first, kept_second = map(int, done.stdout.split())
    assert min(first, second, kept_first) > 20_000
    assert kept_second < 200
