"""GPUs, memory and disk in a few words."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from loratui.runs import layout
from loratui.runs.hardware import machine
from loratui.runs.hardware.gpu import Gpu, GpuReading
from loratui.runs.hardware.host import Host
from loratui.tui.text import fitting
from loratui.tui.training import gpu_words, host_words
from loratui.tui.training.watch import MachineWatch
from loratui.tui.wizard.answers.outlook import Outlook, disk_line

GIB = 1 << 30


def gpu(index: int = 0, throttled_by: tuple[str, ...] = ()) -> Gpu:
    return Gpu(index, "NVIDIA H100", 30 * GIB, 80 * GIB, 97, 71, 512.0, 700.0, (9, 0), throttled_by)


def on_a_line(reading: GpuReading) -> str:
    return fitting(gpu_words.parts(reading), 200)


def test_what_tells_least_is_left_out_whole() -> None:
    """80 columns hold files, disk and GPU; power and heat go first, what is marked never."""
    line = [
        (2, "saved 12 - samples 48"),
        (2, "disk 1.24 TB free"),
        *gpu_words.parts(GpuReading((gpu(),), "")),
    ]
    whole = fitting(line, 200)
    assert whole.endswith("71 C   512/700 W")
    assert fitting(line, 87) == whole.removesuffix("   512/700 W")
    assert fitting(line, 78) == "saved 12 - samples 48   disk 1.24 TB free   GPU 0 30.0/80.0 GiB  busy 97 %"
    assert fitting(line, 40) == "GPU 0 30.0/80.0 GiB  busy 97 %"
    hot = gpu_words.parts(GpuReading((gpu(throttled_by=("thermal slowdown (hardware)",)),), ""))
    assert fitting([*line[:2], *hot], 60).endswith("! slowed")
    assert len(fitting(line, 20)) == 20


def test_one_gpu_with_its_peak_and_power() -> None:
    text = gpu_words.block(GpuReading((gpu(),), ""), 34, {"0": 41 * GIB})
    assert text.split("\n")[0] == "GPU 0  NVIDIA H100"
    assert "30.0/80.0 GiB" in text
    assert "busy 97 %  71 C  512/700 W" in text
    assert "peak 41.0 GiB" in text
    assert "slowed" not in text


def test_a_gpu_that_is_slowed_says_why() -> None:
    reading = GpuReading((gpu(throttled_by=("thermal slowdown (hardware)",)),), "")
    assert "slowed: thermal" in gpu_words.block(reading, 34)
    assert " slowed" in on_a_line(reading)
    many = GpuReading((gpu(0), gpu(1), gpu(2, ("power brake (the supply)",))), "")
    assert on_a_line(many).endswith("slowed: 2")


@pytest.mark.parametrize("count", [1, 2, 4, 8])
def test_many_gpus_keep_to_the_room_there_is(count: int) -> None:
    reading = GpuReading(tuple(map(gpu, range(count))), "")
    lines = gpu_words.block(reading, 34, dict.fromkeys(map(str, range(count)), GIB)).split("\n")
    assert len(lines) <= 13
    assert max(map(len, lines)) <= 40
    strip = on_a_line(reading)
    assert len(strip) < 64
    assert strip.startswith(f"{count} GPUs") if count > 2 else strip.count("GPU ") == count


def test_slices_are_told_apart_and_a_lost_gpu_is_said_beside_the_others() -> None:
    slices = tuple(
        Gpu(0, "A100 MIG 1g.5gb", n * GIB, 5 * GIB, None, None, None, None, part=n) for n in (1, 2)
    )
    reading = GpuReading(
        slices, "GPU 1: The GPU has fallen off the bus: restart the machine, or take another."
    )
    text = gpu_words.block(reading, 34, {"0:1": GIB, "0:2": 3 * GIB})
    assert "GPU 0:1  A100" in text and "GPU 0:2  A100" in text
    assert "peak 1.0 GiB" in text and "peak 3.0 GiB" in text
    assert text.count("a MIG slice: load is not told") == 2
    assert "has fallen off" in text and max(map(len, text.split("\n"))) <= 40
    assert "fallen off the bus" in on_a_line(reading)


def test_no_gpu_is_a_sentence() -> None:
    assert gpu_words.block(GpuReading((), "No NVIDIA GPU found."), 34) == "No NVIDIA GPU found."
    assert gpu_words.block(None, 34) == ""


def test_memory_and_disk_are_marked_when_little_is_left() -> None:
    calm = host_words.rows(Host(5 * GIB, 20 * GIB, False, 90 * GIB))
    assert calm == "memory  5.0/20.0 GiB\ndisk    96.6 GB free"
    tight = host_words.rows(Host(19 * GIB, 20 * GIB, True, GIB)).split("\n")
    assert tight[0] == "memory  19.0/20.0 GiB (container) !"
    assert tight[1] == "disk    1.07 GB free !"
    assert host_words.rows(Host(None, None, False, None)) == ""
    assert not host_words.rows(None) and not host_words.parts(None)
    assert fitting(host_words.parts(Host(5 * GIB, 20 * GIB, False, 90 * GIB)), 78) == "disk 96.6 GB free"
    tight_strip = fitting(host_words.parts(Host(19 * GIB, 20 * GIB, True, GIB)), 78)
    assert tight_strip == "! memory 19.0/20.0 GiB   ! disk 1.07 GB free"


def test_the_panel_shows_the_gpus_of_its_run(
    home: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not those that the person who looks would get: the queue gives runs their own."""
    run = make_run()
    monkeypatch.setattr("loratui.runs.hardware.gpu.sample", lambda: GpuReading(tuple(map(gpu, range(4))), ""))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    watch = MachineWatch(run)
    assert [one.index for one in watch.read()[0].gpus] == [0]  # nobody has it yet
    for given, shown in (((2, 3), [2, 3]), (None, [0]), ((9,), [])):
        layout.write_status(run, layout.Status("running", gpus=given))
        reading = watch.read()[0]
        assert [one.index for one in reading.gpus] == shown
        assert bool(reading.sentence) == (not shown)


def test_a_model_that_is_to_be_fetched_counts_on_the_disk() -> None:
    seen = Outlook(checkpoints=2, disk_bytes=10**9, bytes_to_fetch=7 * 10**9, free_bytes=5 * 10**9)
    assert seen.disk_is_short
    words = "disk 1 GB for 2 checkpoints and states, 7 GB for the model, more than the 5 GB free"
    assert disk_line(seen) == words
    own = "disk 1 GB for 2 checkpoints and states, of 5 GB free; model 7 GB, "
    for free, is_short, rest in ((8, False, "of 8 GB free"), (6, True, "more than the 6 GB free")):
        elsewhere = dataclasses.replace(seen, hub_free_bytes=free * 10**9)
        assert (elsewhere.disk_is_short, disk_line(elsewhere)) == (is_short, f"{own}{rest} on its disk")


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no second disk is at hand")
def test_a_cache_of_the_hub_on_another_disk_is_measured_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LORATUI_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert machine.look().hub_free_bytes is None
    monkeypatch.setenv("HF_HUB_CACHE", "/dev/shm/not/there/yet")
    free = machine.look().hub_free_bytes
    assert free == pytest.approx(machine.free_bytes(Path("/dev/shm")), rel=0.2)  # others use it too
