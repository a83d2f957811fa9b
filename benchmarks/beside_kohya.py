"""The builtin trainer and a checkout of sd-scripts as processes, on one config.toml and files made on the
spot: seconds from launch to the first step by phase, and seconds for a step.

Both are seen from outside, by the lines they print: when each came, and how many seconds of processor time
the whole process tree had taken by then.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil
import whole_model

from loratui import kohya_config
from loratui.formats import clip_tokens

PHASES = ("libraries", "model", "caching", "network", "first step")
"""Each ends where the next begins; ``network`` holds the optimizer and all that comes before a step."""

_KOHYA = ("Loading settings from", "caching latents", "prepare optimizer", "running training")
"""What sd-scripts says where a phase ends (train_network.py:730, :987; library/train_util.py)."""
_OURS = ('"name":"dataset"', '"name":"caching"', '"name":"network"', '"name":"training"')
_KOHYA_STEP = re.compile(r"steps: .* (\d+)/\d+ \[")
_OUR_STEP = re.compile(r'"event":"step","step":(\d+)')
_PATIENCE = 1500
"""Seconds."""


class Moment(NamedTuple):
    """Seconds since launch."""

    wall: float
    cpu: float
    """Of the processor, by all processes of the tree."""


class Course(NamedTuple):
    """How one run went."""

    ends: tuple[Moment, ...]
    """Of ``PHASES``."""
    steps: tuple[Moment, ...]
    """Between two steps, from the second on."""
    peak: int
    """Bytes of resident memory, of the largest process."""

    def phases(self, clock: str) -> dict[str, float]:
        """Seconds of each phase, and of all."""
        values = [0.0, *(float(getattr(end, clock)) for end in self.ends)]
        spans = (later - sooner for sooner, later in itertools.pairwise(values))
        return dict(zip(PHASES, spans, strict=True)) | {"all": values[-1]}


def files(folder: Path, options: Mapping[str, object], *, tiny: bool, stored: str = "float16") -> Path:
    """A model, four pictures, a tokenizer for sd-scripts and a config.toml. Returns the last."""
    model = folder / "model.safetensors"
    whole_model.make(model, tiny=tiny, stored=stored)
    side = int(str(options["side"]))
    _pictures(folder / "pictures" / "8_thing", side)
    _tokenizer(folder / "tokenizers" / "openai_clip-vit-large-patch14")
    values = {
        "pretrained_model_name_or_path": str(model),
        "train_data_dir": str(folder / "pictures"),
        "output_dir": str(folder / "out"),
        "output_name": "beside",
        "resolution": f"{side},{side}",
        "caption_extension": ".txt",
        "network_module": "networks.lora",
        "network_dim": options["rank"],
        "network_alpha": 1.0,
        "network_train_unet_only": True,
        "train_batch_size": options["batch"],
        "max_train_steps": options["steps"],
        "learning_rate": 1e-4,
        "optimizer_type": "AdamW",
        "lr_scheduler": "constant",
        "mixed_precision": "no",
        "save_precision": "fp16",
        "cache_latents": True,
        "sdpa": True,
        "seed": 1,
        "max_data_loader_n_workers": 0,
        "tokenizer_cache_dir": str(folder / "tokenizers"),
    }
    path = folder / "config.toml"
    path.write_text(kohya_config.dumps({"all": values}))
    return path


def _pictures(folder: Path, side: int) -> None:
    from PIL import Image, ImageDraw

    folder.mkdir(parents=True)
    for number in range(4):
        picture = Image.new("RGB", (side, side), (60 * number, 90, 200))
        ImageDraw.Draw(picture).ellipse(
            (side // 8, side // 8, side // 2, side // 2 + 9 * number), fill="white"
        )
        picture.save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"thing, number {number}")


def _tokenizer(folder: Path) -> None:
    """CLIP's, where sd-scripts looks for it, so that no hub is asked (library/strategy_base.py:54-71)."""
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps(clip_tokens.vocabulary()))
    merges = "".join(f"{left} {right}\n" for left, right in clip_tokens.merges())
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}")
    marks = {"bos_token": clip_tokens.START, "pad_token": clip_tokens.END}
    marks |= {"eos_token": clip_tokens.END, "unk_token": clip_tokens.END}
    about = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(marks | about))
    (folder / "special_tokens_map.json").write_text(json.dumps(marks))


def ours(config: Path) -> Course:
    """The builtin trainer, started as its engine starts it."""
    argv = [sys.executable, "-m", "loratui.trainer", "--config_file", str(config)]
    return _watch(argv, config.parent, _OURS, _OUR_STEP)


def kohya(config: Path, checkout: Path, python: str, threads: int, *, tiny: bool) -> Course:
    """sd-scripts, started through accelerate's launcher as its own documentation does."""
    script = checkout / "train_network.py"
    narrow = [str(Path(__file__).with_name("narrow_kohya.py")), str(checkout)]
    argv = [python, "-m", "accelerate.commands.launch", f"--num_cpu_threads_per_process={threads}"]
    argv += ["--num_processes=1", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no"]
    argv += [*(narrow if tiny else [str(script)]), "--config_file", str(config)]
    return _watch(argv, checkout, _KOHYA, _KOHYA_STEP)


def _watch(argv: Sequence[str], folder: Path, marks: Sequence[str], step: re.Pattern[str]) -> Course:
    """Run it to its end. Raises ``RuntimeError`` with its last lines when it does not train."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "300", "TOKENIZERS_PARALLELISM": "false"}
    begun = time.monotonic()
    process = subprocess.Popen(
        argv, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    root = psutil.Process(process.pid)
    ends: list[Moment] = []
    steps: dict[int, Moment] = {}
    last: list[str] = []
    peak = 0
    for line in _lines(process):
        now = Moment(time.monotonic() - begun, _processor_time(root))
        last = [*last[-30:], line]
        if len(ends) < len(marks) and any(mark in line for mark in marks[len(ends) :]):
            ends.append(now)
        found = step.search(line)
        if found and int(found[1]):
            steps.setdefault(int(found[1]), now)
            peak = max(peak, _resident(root))
        if now.wall > _PATIENCE:
            process.kill()
    if process.wait() or len(ends) < len(marks) or not steps:
        raise RuntimeError(f"{argv} did not train:\n" + "\n".join(last))
    times = [steps[number] for number in sorted(steps)]
    spans = [
        Moment(later.wall - sooner.wall, later.cpu - sooner.cpu)
        for sooner, later in itertools.pairwise(times)
    ]
    return Course((*ends, times[0]), tuple(spans), peak)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """As they come; a bar that is drawn anew counts as a line."""
    assert process.stdout is not None
    rest = b""
    while chunk := os.read(process.stdout.fileno(), 1 << 16):
        *lines, rest = re.split(rb"[\r\n]", rest + chunk)
        yield from (line.decode(errors="replace") for line in lines)


def _tree(root: psutil.Process) -> list[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        return [root, *root.children(recursive=True)]
    return []


def _processor_time(root: psutil.Process) -> float:
    total = 0.0
    for process in _tree(root):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def _resident(root: psutil.Process) -> int:
    found = [0]
    for process in _tree(root):
        with suppress(psutil.NoSuchProcess):
            found.append(process.memory_info().rss)
    return max(found)


def compare(
    checkout: Path,
    python: str,
    options: Mapping[str, object],
    *,
    rounds: int,
    threads: int,
    tiny: bool,
    stored: str,
) -> dict[str, object]:
    """Both engines in turn, medians, and sd-scripts' seconds divided by ours."""
    os.environ |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    courses: dict[str, list[Course]] = {"kohya": [], "ours": []}
    with tempfile.TemporaryDirectory() as folder:
        config = files(Path(folder), options, tiny=tiny, stored=stored)
        for _ in range(rounds):
            courses["kohya"].append(kohya(config, checkout, python, threads, tiny=tiny))
            courses["ours"].append(ours(config))
    found: dict[str, object] = {"threads": threads, "tiny": tiny, "stored": stored, "rounds": rounds}
    found |= options
    for clock in ("wall", "cpu"):
        launch = {name: _median_phases(own, clock) for name, own in courses.items()}
        step = {
            name: statistics.median(float(getattr(span, clock)) for course in own for span in course.steps)
            for name, own in courses.items()
        }
        for name in courses:
            found[f"{name}_launch_{clock}_s"] = {
                phase: round(value, 2) for phase, value in launch[name].items()
            }
            found[f"{name}_step_{clock}_s"] = round(step[name], 4)
        found[f"launch_ratio_{clock}"] = round(launch["kohya"]["all"] / launch["ours"]["all"], 2)
        found[f"step_ratio_{clock}"] = round(step["kohya"] / step["ours"], 3)
    for name, own in courses.items():
        found[f"{name}_peak_gib"] = round(max(course.peak for course in own) / 2**30, 2)
    return found


def _median_phases(courses: Sequence[Course], clock: str) -> dict[str, float]:
    each = [course.phases(clock) for course in courses]
    return {phase: statistics.median(one[phase] for one in each) for phase in each[0]}
