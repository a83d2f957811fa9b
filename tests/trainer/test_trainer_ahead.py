"""What is done while the libraries load, and what the training makes of it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from loratui.trainer import ahead as module
from loratui.trainer.ahead import Ahead, Room
from loratui.trainer.base_precision import pack_unet
from loratui.trainer.conditions import Conditions
from loratui.trainer.config_file import load_config
from loratui.trainer.loading import load
from loratui.trainer.options import Options
from tests.support.checkpoints import Made

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A single file whose weights are stored in float16."""
    from safetensors.torch import load_file, save_file

    made = Made("sd15", tmp_path_factory.mktemp("half"))
    save_file({key: tensor.half() for key, tensor in load_file(made.path).items()}, made.path)
    made.configs.rename(made.path.with_suffix(""))
    return made


@pytest.mark.parametrize("size", [None, 4096, 0])
def test_a_widened_unet_is_the_same_with_much_room_little_or_none(
    half: Made, write_config: Any, monkeypatch: pytest.MonkeyPatch, size: int | None
) -> None:
    monkeypatch.setattr(module, "_GPUS", ())
    config = load_config(write_config(pretrained_model_name_or_path=str(half.path)))
    ahead = Ahead(config, packed=False)
    room = ahead.room() if size is None else Room(size) if size else None
    unet = load(half.path, "sd15", torch.float32, unet_as_stored=True, decodes=False).unet
    pack_unet(config, Options(), unet, CPU, room)
    wanted = load(half.path, "sd15", torch.float32).unet.state_dict()
    assert all(torch.equal(tensor, wanted[key]) for key, tensor in unet.state_dict().items())
    assert {weight.dtype for weight in unet.parameters()} == {torch.float32}
    assert all(weight.data_ptr() % 64 == 0 for weight in unet.parameters())
    if size is None:
        assert room is not None
        assert room.place(torch.Size([1 << 20]), torch.float32) is None  # made to measure
        assert ahead.room() is None


def test_nothing_is_made_ready_where_a_gpu_takes_the_weights_or_they_stay_as_they_are(
    half: Made,
    write_config: Any,
    tiny_models: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = load_config(write_config(pretrained_model_name_or_path=str(half.path)))
    monkeypatch.setattr(module, "_GPUS", (str(tmp_path),))
    assert Ahead(config, packed=False).room() is None
    monkeypatch.setattr(module, "_GPUS", ())
    assert Ahead(config, packed=True).room() is None
    in_float32 = load_config(write_config(pretrained_model_name_or_path=str(tiny_models["sd15"])))
    assert Ahead(in_float32, packed=False).room() is None


def test_a_model_that_is_gone_is_left_to_the_training_to_miss(
    half: Made, write_config: Any, tmp_path: Path
) -> None:
    copy = tmp_path / half.path.name
    copy.write_bytes(half.path.read_bytes())
    config = load_config(write_config(pretrained_model_name_or_path=str(copy)))
    copy.unlink()
    assert Ahead(config, packed=False).room() is None


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
from loratui.trainer.blocks_kept import keep_freed_blocks

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
