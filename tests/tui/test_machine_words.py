"""GPUs, memory and disk in a few words."""

from __future__ import annotations

import pytest

from loratui.runs.gpu import Gpu, GpuReading
from loratui.runs.host import Host
from loratui.tui.training import gpu_words, host_words

GIB = 1 << 30


def gpu(index: int = 0, throttled_by: tuple[str, ...] = ()) -> Gpu:
    return Gpu(index, "NVIDIA H100", 30 * GIB, 80 * GIB, 97, 71, 512.0, 700.0, (9, 0), throttled_by)


def test_one_gpu_with_its_peak_and_power() -> None:
    text = gpu_words.block(GpuReading((gpu(),), ""), 34, {0: 41 * GIB})
    assert text.split("\n")[0] == "GPU 0  NVIDIA H100"
    assert "30.0/80.0 GiB" in text
    assert "busy 97 %  71 C  512/700 W" in text
    assert "peak 41.0 GiB" in text
    assert "slowed" not in text


def test_a_gpu_that_is_slowed_says_why() -> None:
    reading = GpuReading((gpu(throttled_by=("thermal slowdown (hardware)",)),), "")
    assert "slowed: thermal" in gpu_words.block(reading, 34)
    assert gpu_words.strip(reading).endswith("slowed")


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_many_gpus_keep_to_the_room_there_is(count: int) -> None:
    reading = GpuReading(tuple(map(gpu, range(count))), "")
    lines = gpu_words.block(reading, 34, dict.fromkeys(range(count), GIB)).split("\n")
    assert len(lines) <= 13
    assert max(map(len, lines)) <= 40
    assert gpu_words.strip(reading).count("GPU ") == count


def test_no_gpu_is_a_sentence() -> None:
    assert gpu_words.block(GpuReading((), "No NVIDIA GPU found."), 34) == "No NVIDIA GPU found."
    assert gpu_words.block(None, 34) == ""


def test_memory_and_disk_are_marked_when_little_is_left() -> None:
    calm = host_words.rows(Host(5 * GIB, 20 * GIB, False, 90 * GIB))
    assert calm == "memory  5.0/20.0 GiB\ndisk    90.0 GiB free"
    tight = host_words.rows(Host(19 * GIB, 20 * GIB, True, GIB)).split("\n")
    assert tight[0] == "memory  19.0/20.0 GiB (container) !"
    assert tight[1] == "disk    1.0 GiB free !"
    assert host_words.rows(Host(None, None, False, None)) == ""
    assert host_words.rows(None) == ""
