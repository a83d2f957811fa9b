"""What the trainer computes, against what sd-scripts computed (``golden/README.md``)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from loratui.trainer import golden
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.captions.tokenizer import clip_tokenizer
from loratui.trainer.replay.recorded_order import captions_follow, items_by_name, order_follows
from loratui.trainer.replay.recording import Recording, read
from tests.support.checkpoints import Made, hashed

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``dev``, whole: with base models and the weights each run started from."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copytree(GOLDEN, folder, dirs_exist_ok=True)
    for family in ("sd15", "sd2", "sdxl"):
        made = Made(family, folder / "common" / family)
        made.path.rename(folder / "common" / made.path.name)
        made.configs.rename(folder / "configs")
        shutil.rmtree(folder / "common" / family)
        (folder / "configs").rename(folder / "common" / family)
    for path in (folder / "dev").iterdir():
        start = {
            name: tensor if name.endswith("alpha") else _start(name, tensor.shape)
            for name, tensor in load_file(path / "final_lora.safetensors").items()
        }
        save_file(start, path / "initial_lora.safetensors")
    return folder / "dev"


def _start(name: str, shape: torch.Size) -> torch.Tensor:
    return hashed(name, shape) / (16 if "lora_up" in name else 1)


@pytest.mark.parametrize(
    "names", [["sd15_long_words", "sd2_adafactor", "sd2_velocity", "sdxl_prodigy"], ["sd2_came"]]
)
def test_recordings_are_replayed_within_the_limits(
    recordings: Path, names: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "sd2_came" in names:
        pytest.importorskip("pytorch_optimizer")
    (tmp_path / "common").symlink_to(recordings.parent / "common")
    for name in names:
        shutil.copytree(recordings / name, tmp_path / "dev" / name)
    code = golden.main([str(tmp_path / "dev"), "--json"])
    said = capsys.readouterr()
    rows = {row["name"]: row for row in json.loads(said.out)["configurations"]}
    assert list(rows) == names
    assert code == 0, (rows, said.err)


@pytest.fixture
def recording(recordings: Path) -> Recording:
    """The one with shuffled captions."""
    return read(recordings / "sd2_velocity", recordings.parent / "common")


@pytest.fixture
def words() -> BaseModel:
    """A model of which only the tokenizer is asked."""
    return BaseModel("sd2", None, None, [], [clip_tokenizer().with_pad("!")])


def test_another_seed_gives_another_order_and_other_captions(recording: Recording, words: BaseModel) -> None:
    items = items_by_name(recording)
    assert order_follows(recording, items)
    assert captions_follow(recording, items, words)
    recording.facts["dataset_seed"] += 1
    assert not order_follows(recording, items)
    assert not captions_follow(recording, items, words)


def test_a_batch_that_comes_twice_is_no_order(recording: Recording) -> None:
    recording.passes[2]["images"] = recording.passes[3]["images"]
    assert not order_follows(recording, items_by_name(recording))


@pytest.mark.skipif("LORATUI_GOLDEN" not in os.environ, reason="LORATUI_GOLDEN names no recordings")
def test_the_whole_recordings() -> None:
    """Where they are: ``LORATUI_GOLDEN=DIR``, beside which ``common`` lies."""
    command = [sys.executable, "-m", "loratui.trainer.golden", os.environ["LORATUI_GOLDEN"], "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["configurations"]
