"""Damaged pictures, latents on disk, and memory that is not enough."""

from __future__ import annotations

import os
import resource
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from loratui import events
from loratui.trainer.reporting.out_of_memory import is_out_of_memory, next_lever, shortage
from loratui.trainer.settings.config_file import load_config
from loratui.trainer.settings.options import Options

GPU = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 23.64 GiB of which"
    " 1.06 GiB is free. Process 1234 has 22.57 GiB memory in use."
)
CPU = (
    "[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"
    " allocate 12884901888 bytes. Error code 12 (Cannot allocate memory)"
)


@pytest.fixture
def damaged(tmp_path: Path, pictures: Path) -> Path:
    """Pictures of which one has a sound header and half its pixels, and one is no picture at all."""
    folder = tmp_path / "damaged"
    shutil.copytree(pictures, folder)
    half = folder / "2_ohwx" / "3.png"
    half.write_bytes(half.read_bytes()[:-80])
    (folder / "2_ohwx" / "5.png").write_bytes(b"no picture")
    return folder


def test_a_damaged_picture_stops_it_before_the_first_step(damaged: Path, train: Any) -> None:
    (damaged / "2_ohwx" / "5.png").unlink()
    told = train(train_data_dir=str(damaged))
    assert told.code == 1
    assert all(word in told.of(events.Message)[-1].text for word in ("3.png", "skip_damaged"))
    assert not told.of(events.Step)


def test_damaged_pictures_are_named_and_left_out_where_that_is_allowed(damaged: Path, train: Any) -> None:
    told = train(train_data_dir=str(damaged), options=Options(skip_damaged=True), max_train_epochs=1)
    assert told.code == 0, told.events
    said = [message.text for message in told.of(events.Message) if message.level == "warning"]
    assert [next(name for name in ("3.png", "5.png") if name in text) for text in said] == ["5.png", "3.png"]
    (planned,) = told.of(events.Planned)
    assert planned.images == 8
    assert len(told.of(events.Step)) == planned.total_steps == 3


def losses(told: Any) -> list[float]:
    assert told.code == 0, told.events
    return [step.loss for step in told.of(events.Step)]


def test_latents_on_disk_are_sd_scripts_own_and_are_used_again(
    tmp_path: Path, pictures: Path, train: Any
) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree(pictures, folder)
    wanted = {"train_data_dir": str(folder), "cache_latents_to_disk": True, "flip_aug": True}
    first = losses(train(**wanted))
    files = sorted(path.name for path in folder.rglob("*.npz"))
    assert files[0] == "0_0064x0064_sd.npz"
    assert files[5] == "5_0064x0128_sd.npz"
    path = folder / "2_ohwx" / files[0]
    with np.load(path) as opened:
        arrays = {key: opened[key] for key in opened.files}
    assert arrays.keys() == {"latents", "latents_flipped", "original_size", "crop_ltrb"}
    assert (arrays["latents"].dtype, arrays["latents"].shape) == (np.float32, (4, 8, 8))
    assert arrays["original_size"].tolist() == [64, 64]
    assert losses(train(**wanted)) == first
    # What lies there is what is trained on; what is damaged or of another size is made again.
    np.savez(path, **{**arrays, "latents": arrays["latents"] + 9, "latents_flipped": arrays["latents"] + 9})
    assert losses(train(**wanted)) != first
    others = [folder / "2_ohwx" / name for name in files[1:3]]
    path.write_bytes(b"cut")
    np.savez(others[0], **{**arrays, "latents": arrays["latents"][:, :4]})
    os.utime(others[1], (1, 1))
    losses(train(**wanted))
    for made in (path, *others):
        with np.load(made) as opened:
            assert opened["latents"].shape == (4, 8, 8)
    assert others[1].stat().st_mtime > 1, "older than its picture"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GPU, ["2.50 GiB", "23.64 GiB", "1.06 GiB"]),
        (CPU, ["12.0 GiB", "RAM"]),
        ("HIP out of memory", ["HIP out of memory"]),
    ],
)
def test_the_numbers_of_a_shortage(text: str, words: list[str]) -> None:
    error = torch.OutOfMemoryError(text) if text == GPU else RuntimeError(text)
    assert is_out_of_memory(error)
    assert all(word in shortage(error) for word in words)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "gradient_checkpointing"),
        ({"gradient_checkpointing": True, "train_batch_size": 4}, "train_batch_size 4 -> 2"),
        ({"gradient_checkpointing": True, "train_batch_size": 1, "mixed_precision": "bf16"}, "fp8_base_unet"),
    ],
)
def test_the_next_lever(changes: dict[str, Any], words: str, write_config: Any) -> None:
    assert words in next_lever(load_config(write_config(**changes)))


def test_the_last_levers(write_config: Any) -> None:
    smallest: dict[str, Any] = {"gradient_checkpointing": True, "train_batch_size": 1}
    config = load_config(write_config(**smallest, mixed_precision="bf16", fp8_base=True))
    assert "base_4bit" in next_lever(config)
    assert "64,128" in next_lever(config, packed=True)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's statm")
def test_a_machine_without_enough_memory_gets_one_sentence(
    train: Any, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "many" / "32_ohwx"
    folder.mkdir(parents=True)
    shutil.copy(pictures / "2_ohwx" / "0.png", folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    limited: list[int] = []

    def watch(event: events.Event) -> None:
        # The libraries need address space of their own; what the steps need is to be missing.
        if isinstance(event, events.Planned):
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limited.append(pages * resource.getpagesize() + 64 * 2**20)
            resource.setrlimit(resource.RLIMIT_AS, (limited[0], hard))

    try:
        told = train(
            train_data_dir=str(folder.parent),
            resolution="256,256",
            enable_bucket=None,
            train_batch_size=32,
            watch=watch,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert limited
    (message,) = [message for message in told.of(events.Message) if message.level == "error"]
    assert told.code == 1
    assert message.text.startswith("Out of memory: "), message.text
    assert "MiB" in message.text
    assert message.text.endswith("gradient_checkpointing = true (slower by about a third).")
