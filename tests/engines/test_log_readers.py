"""The same bytes, cut anywhere, give the same events."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from loratui.engines.builtin_log import BuiltinReader
from loratui.engines.engine import LogReader
from loratui.engines.kohya.log import KohyaReader
from loratui.events import (
    PREFIX,
    Checkpoint,
    Ended,
    Epoch,
    Event,
    Message,
    Phase,
    Planned,
    Step,
    encode,
)

EVENTS: list[Event] = [
    Phase("libraries"),
    Planned(total_steps=2, epochs=1, images=8, batches_per_epoch=2),
    Step(1, loss=0.5, rates={"unet": 1e-4}),
    Step(2, loss=None, finite=False),
    Ended("failed", 2),
]
BUILTIN_LOG = b"loading\n" + b"".join(
    b"noise \xff [red]\n" + PREFIX.encode() + encode(event) + b"\n" for event in EVENTS
)

KOHYA_LOG = (
    "2026-11-21 02:55:58 INFO     loading model for process 0/1   train_util.py:4744\n"
    "running training / 学習開始\n"
    "  num train images * repeats / 学習画像の数×繰り返し回数: 120\n"
    "  num validation images * repeats / 学習画像の数×繰り返し回数: 0\n"
    "  num batches per epoch / 1epochのバッチ数: 60\n"
    "  num epochs / epoch数: 1\n"
    "  total optimization steps / 学習ステップ数: 3\n"
    "\rsteps:   0%|          | 0/3 [00:00<?, ?it/s]\nepoch 1/1\n"
    "\rsteps:  33%|███▎      | 1/3 [00:07<00:50,  7.21s/it]"
    "\rsteps:  33%|███▎      | 1/3 [00:07<00:50,  7.21s/it, avr_loss=1.01]"
    "\rsteps:  66%|██████▋   | 2/3 [00:14<00:42,  7.08s/it, avr_loss=1.01]"
    "\rsteps:  66%|██████▋   | 2/3 [00:14<00:42,  7.08s/it, Average key norm=0.0005, avr_loss=1.04]"
    "\nsaving checkpoint: /out/base-step00000002.safetensors\n"
    "\rsteps: 100%|██████████| 3/3 [00:21<00:00,  7.08s/it, avr_loss=nan]"
    "2026-11-21 02:57:29 INFO     \x1b[1mmodel saved.\x1b[0m   train_network.py:1729\n"
).encode()


def chopped(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(places)]


def read(reader: LogReader, pieces: list[bytes]) -> list[Event]:
    return [event for piece in pieces for event in reader.feed(piece)]


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_builtin_events_survive_any_cut(cuts: list[int]) -> None:
    assert read(BuiltinReader(), chopped(BUILTIN_LOG, cuts)) == EVENTS


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_kohya_events_survive_any_cut(cuts: list[int]) -> None:
    file = "/out/base-step00000002.safetensors"
    assert read(KohyaReader(), chopped(KOHYA_LOG, cuts)) == [
        Phase("model"),
        Phase("network"),
        Planned(total_steps=3, epochs=1, images=120, batches_per_epoch=60),
        Phase("hashing"),
        Phase("training"),
        Epoch(1, 1),
        Step(1, average_loss=1.01, epoch=1),
        Step(2, average_loss=1.04, epoch=1),
        Phase("saving", "checkpoint"),
        Checkpoint(file, 2, 1),
        Phase("training"),
        Step(3, average_loss=None, epoch=1, finite=False),
        Checkpoint(file, 3, 1, final=True),
        Ended("finished", 3, file),
    ]


def test_bars_drawn_seldom_lose_no_step() -> None:
    log = b"".join(
        b"\rsteps: 1%%|  | %d/900 [00:01<00:00, 90.00it/s, avr_loss=0.%d]" % (step, step)
        for step in range(1, 6)
    )
    steps = [event for event in KohyaReader().feed(log + b"\r") if isinstance(event, Step)]
    assert [step.step for step in steps] == [1, 2, 3, 4, 5]


def test_no_data_is_told_though_sd_scripts_exits_with_0() -> None:
    line = b"02:55:58 ERROR    No data found. Please verify arguments (train_data_dir must be\n"
    (event,) = KohyaReader().feed(line)
    assert isinstance(event, Message)
    assert event.key == "no_data"


def test_a_broken_event_line_is_passed_over() -> None:
    lines = f'{PREFIX}{{"event":"step"\n{PREFIX}{{"event":"nonsense"}}\n'.encode()
    assert list(BuiltinReader().feed(lines + PREFIX.encode() + encode(EVENTS[2]) + b"\n")) == [EVENTS[2]]
