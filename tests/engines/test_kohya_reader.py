"""Recorded runs of sd-scripts, read: the phases, steps, losses and files that are in them, and no others."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loratui.engines.kohya.log import KohyaReader
from loratui.events import (
    Checkpoint,
    Ended,
    Epoch,
    Event,
    Message,
    Phase,
    Planned,
    StateSaved,
    Step,
)
from loratui.runs.hints.diagnose import diagnose
from tests.support import transcripts

ALL = transcripts.names()
Kind = TypeVar("Kind", bound=Event)


def events(data: bytes, done_before: int | None = None) -> list[Event]:
    return list(KohyaReader(done_before).feed(data + b"\n"))


def of(name: str) -> list[Event]:
    return events(transcripts.merged(transcripts.read(name)))


def only(kind: type[Kind], found: list[Event]) -> list[Kind]:
    return [event for event in found if isinstance(event, kind)]


def phases(found: list[Event]) -> list[str]:
    """Names in order, each once in a row."""
    return [name for name, _ in itertools.groupby(event.name for event in only(Phase, found))]


def losses_drawn(data: bytes) -> dict[int, float]:
    """By another way: of every drawing of a number in the bar of steps, the last one's loss."""
    drawn = re.findall(
        r"(?:^|[\r\n\]])steps: [^|]*\|[^|]*\| (\d+)/\d+ \[[^\]]*avr_loss=([^,\]]+)", data.decode()
    )
    return {int(number): float(loss) for number, loss in drawn if int(number)}


@pytest.mark.parametrize("name", [name for name in ALL if "accumulation" not in name])
def test_each_step_comes_once_with_the_loss_that_was_drawn_last(name: str) -> None:
    data = transcripts.merged(transcripts.read(name))
    steps = only(Step, events(data))
    first = steps[0].step - 1 if steps else 0
    expected = losses_drawn(data)
    assert [step.step - first for step in steps] == list(expected)
    for step, loss in zip(steps, expected.values(), strict=True):
        assert step.finite == (loss == loss)
        assert step.average_loss == (loss if step.finite else None)


@pytest.mark.parametrize("name", ALL)
@given(cuts=st.lists(st.integers(0, 1 << 16), max_size=6))
@settings(max_examples=4, deadline=None)
def test_bytes_cut_anywhere_give_the_same_events(name: str, cuts: list[int]) -> None:
    data = transcripts.merged(transcripts.read(name)) + b"\n"
    whole = list(KohyaReader().feed(data))
    reader = KohyaReader()
    places = [0, *sorted(cut % len(data) for cut in cuts), len(data)]
    assert [event for a, b in itertools.pairwise(places) for event in reader.feed(data[a:b])] == whole


def test_byte_by_byte() -> None:
    data = transcripts.merged(transcripts.read("nan")) + b"\n"
    reader = KohyaReader()
    assert [e for at in range(len(data)) for e in reader.feed(data[at : at + 1])] == list(
        KohyaReader().feed(data)
    )


def test_a_run_from_its_libraries_to_its_file() -> None:
    found = of("epochs_with_states")
    assert phases(found)[:7] == ["dataset", "model", "caching", "network", "hashing", "training", "saving"]
    assert only(Planned, found) == [Planned(12, 3, 8, 4)]
    assert only(Epoch, found) == [Epoch(1, 3), Epoch(2, 3), Epoch(3, 3)]
    out = "/home/user/out/e3/e3"
    assert [(file.path, file.step, file.final) for file in only(Checkpoint, found)] == [
        (f"{out}-000001.safetensors", 4, False),
        (f"{out}-000002.safetensors", 8, False),
        (f"{out}.safetensors", 12, True),
    ]
    assert [(state.path, state.step) for state in only(StateSaved, found)] == [
        (f"{out}-000001-state", 4),
        (f"{out}-000002-state", 8),
        (f"{out}-state", 12),
    ]
    assert only(Ended, found) == [Ended("finished", 12, f"{out}.safetensors")]
    assert only(Message, found) == []


def test_progress_within_a_phase_is_named_by_the_line_before() -> None:
    found = only(Phase, of("samples_validation_accumulation"))
    counted = {(phase.name, phase.detail, phase.total) for phase in found if phase.total is not None}
    assert counted == {
        ("dataset", "names of cached latents", 4),
        ("dataset", "captions", 3),
        ("dataset", "captions", 1),
        ("dataset", "sizes", 3),
        ("dataset", "sizes", 1),
        ("caching", "latents", 3),
        ("caching", "latents", 1),
        ("sampling", "", 3),
        ("sampling", "", 2),
        ("validating", "", 4),
    }


def test_a_download_before_the_first_step_is_no_silence() -> None:
    bar = "model.safetensors:  {0}%|####      | {1}G/6.94G [00:24<00:26, 139MB/s]\r"
    log = "".join(bar.format(percent, percent * 0.0694) for percent in range(0, 101, 10))
    phases = [event for event in KohyaReader().feed(log.encode()) if isinstance(event, Phase)]
    assert phases[0] == Phase("libraries", "downloading model.safetensors", 0, 100)
    assert [phase.done for phase in phases] == list(range(0, 101, 10))


def test_small_steps_of_accumulation_are_no_steps() -> None:
    found = of("samples_validation_accumulation")
    assert [(step.step, step.average_loss) for step in only(Step, found)] == [
        (1, 1.16),
        (2, 1.11),
        (3, 1.04),
        (4, 1.11),
    ]
    assert only(Planned, found) == [Planned(4, 2, 6, 3)]


def test_a_resumed_run_counts_on_though_its_bar_does_not() -> None:
    """Its bar goes from 0 to 6 of 10, its files are named 3 and 6: they are steps 7 and 10 of 12."""
    found = of("resumed_mid_epoch")
    assert only(Planned, found) == [Planned(12, 3, 8, 4, first_step=6)]
    assert [step.step for step in only(Step, found)] == [7, 8, 9, 10, 11, 12]
    assert [file.step for file in only(Checkpoint, found)] == [7, 10, 12]


def test_a_resume_that_sd_scripts_cuts_short_is_told() -> None:
    """With accumulation it passes over one epoch too many: 16 of 24 steps, and it says that all is well."""
    found = of("resumed_with_accumulation")
    assert only(Planned, found)[-1].total_steps == 16
    assert any("planned for 24 steps, and comes to 16" in message.text for message in only(Message, found))


def test_the_ledger_knows_better_than_the_log() -> None:
    data = transcripts.merged(transcripts.read("resumed_mid_epoch"))
    found = events(data, done_before=5)
    assert only(Planned, found)[-1].first_step == 5
    assert [step.step for step in only(Step, found)] == [6, 7, 8, 9, 10, 11]


def test_a_loss_that_is_not_a_number() -> None:
    steps = only(Step, of("nan"))
    assert [step.finite for step in steps][:2] == [True, False]
    assert steps[-1].average_loss is None


ODD = (
    "steps:  50%|█████     | 2/4 [1:03:52<1:03:53,  1.04it/s, Average key norm=0.5, avr_loss=1.2]"
    "2026-11-21 03:21:42 INFO     saving state at step 2           train_util.py:5964\n"
    "                    INFO     save train state to            train_network.py:946\n"
    "                             /home/user/train/out/save_stat                     \n"
    "                             e/x-state/train_state.json at                      \n"
    "                             epoch 1 step 2                                     \n"
    "                    INFO     Random states saved in         checkpointing.py:170\n"
    "                             /home/user                                         \n"
)


def test_paths_broken_at_the_edge_of_the_terminal_are_whole_again() -> None:
    assert [state.path for state in only(StateSaved, events(ODD.encode()))] == [
        "/home/user/train/out/save_state/x-state"
    ]


@pytest.mark.parametrize(
    "line",
    [
        "2026-11-21 03:21:42 INFO     prompt: model saved.        train_util.py:6542\n",
        "                             model saved.\n",
        "caption: saving checkpoint: /x.safetensors\n",
        "2026-11-21 03:21:42 INFO     prompt: steps              train_util.py:6542\n",
    ],
)
def test_what_a_person_wrote_is_not_taken_for_the_trainers_word(line: str) -> None:
    assert [event for event in events(line.encode()) if not isinstance(event, Phase)] == []


def test_bars_of_validation_are_not_steps() -> None:
    drawn = (
        "\rvalidation steps:  25%|██▌ | 1/4 [00:00<00:01,  2.9it/s, val_avg_loss=1.13, timestep=200]\x1b[A\n"
    )
    assert events(drawn.encode()) == [Phase("validating", "", 1, 4)]


def test_a_terminal_with_colours_and_links_reads_the_same() -> None:
    line = (
        "\x1b[2;36m[03:21:42]\x1b[0m \x1b[34mINFO    \x1b[0m model saved. "
        "\x1b]8;id=1;file:///x/train_network.py\x1b\\train_network.py\x1b]8;;\x1b\\:1729\r\n"
    )
    plain = "2026-11-21 03:21:42 INFO     model saved.   train_network.py:1729\n"
    assert only(Ended, events(plain.encode())) == only(Ended, events(line.encode()))


TRACEBACK = (
    "\rsteps:   0%|          | 0/6 [00:00<?, ?it/s, avr_loss=1.11]Traceback (most recent call last):\n"
    '  File "train_network.py", line 1457, in train\n    optimizer.step()\n'
    "RuntimeError: Setting different lr values\n"
    "Traceback (most recent call last):\n"
    '  File "accelerate/commands/launch.py", line 1190, in launch_command\n'
    "subprocess.CalledProcessError: Command '['x']' returned non-zero exit status 1.\n"
)


def test_the_exception_is_told_and_accelerates_echo_of_it_is_not() -> None:
    assert only(Message, events(TRACEBACK.encode())) == [
        Message("error", "RuntimeError: Setting different lr values")
    ]


def test_a_file_that_could_not_be_saved_is_no_checkpoint() -> None:
    log = (
        b"\nsaving checkpoint: /x.safetensors\nTraceback (most recent call last):\nOSError: [Errno 28] disk\n"
    )
    assert only(Checkpoint, events(log)) == []


def test_files_told_only_at_the_end() -> None:
    """Without PYTHONUNBUFFERED what goes to standard output comes when the process ends."""
    files = [(Path(file.path).name, file.final) for file in only(Checkpoint, of("buffered_output"))]
    assert files[-3:] == [
        ("e3-000001.safetensors", False),
        ("e3-000002.safetensors", False),
        ("e3.safetensors", True),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("alpha_as_text", "TypeError: unsupported operand type(s) for /: 'str' and 'int'"),
        ("empty_caption", "AssertionError: caption file is empty"),
    ],
)
def test_what_ended_a_run_is_told_once(name: str, text: str) -> None:
    (message,) = only(Message, of(name))
    assert message.level == "error"
    assert message.text.startswith(text)
    assert diagnose([[transcripts.merged(transcripts.read(name))]]).verdict == "failed"


def test_another_attempt_in_the_same_log_begins_anew() -> None:
    data = transcripts.merged(transcripts.read("epochs_with_states"))
    twice = only(Step, events(data + data))
    assert [step.step for step in twice] == [*range(1, 13), *range(1, 13)]


@pytest.mark.parametrize(
    ("name", "verdict", "step", "total"),
    [
        ("epochs_with_states", "finished", 12, 12),
        ("samples_validation_accumulation", "finished", 4, 4),
        ("resumed_mid_epoch", "finished", 12, 12),
        ("resumed_with_accumulation", "finished", 16, 16),
        ("resumed_to_a_step", "finished", 12, 12),
        ("resumed_accumulation_exactly", "finished", 24, 24),
        ("buffered_output", "finished", 12, 12),
        ("wide_epochs", "finished", 12, 12),
        ("wide_resumed", "finished", 12, 12),
        ("interrupted", "stopped", 9, 400),
        ("nan", "failed", 8, 8),
    ],
)
def test_verdicts_from_any_shape_of_the_log(name: str, verdict: str, step: int, total: int) -> None:
    pieces = transcripts.read(name)
    out, err = transcripts.stream(pieces, "out"), transcripts.stream(pieces, "err")
    recording = "".join(json.dumps([p.seconds, p.stream, p.text]) + "\n" for p in pieces).encode()
    shapes = [[merged_shape] for merged_shape in (transcripts.merged(pieces), recording)] + [
        [out, err],
        [err, out],
    ]
    for shape in shapes:
        found = diagnose([stream] for stream in shape)
        assert (found.verdict, found.step, found.total_steps) == (verdict, step, total)


def test_transcripts_hold_no_path_of_the_machine_they_come_from() -> None:
    home = str(Path.home().parent)
    for path in transcripts.FOLDER.glob("*.jsonl"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"/(?:tmp|root|opt|mnt|srv)/", text), path
        assert home == "/" or home == "/home" or home not in text
