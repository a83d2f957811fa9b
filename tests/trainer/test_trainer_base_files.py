"""A base model's file that is written over beneath a training."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from loratui import events
from loratui.trainer.base.base_files import BaseFiles
from tests.trainer.conftest import Train


def test_what_is_written_to_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    files = [tmp_path / "unet" / "model-1.safetensors", tmp_path / "unet" / "model-2.safetensors"]
    for file in files:
        file.write_bytes(b"1234")
    seen = BaseFiles(tmp_path)
    assert seen.written_over() is None
    os.truncate(files[1], 2)
    assert [seen.written_over(), seen.written_over()] == [files[1], None]
    # Who has it open keeps the old one.
    new = tmp_path / "new"
    new.write_bytes(b"12345")
    new.replace(files[0])
    assert seen.written_over() is None
    files[0].unlink()
    assert seen.written_over() is None
    assert BaseFiles().written_over() is None


@pytest.mark.parametrize("in_place", [True, False])
def test_a_training_says_that_its_base_model_changes(
    train: Train, tiny_models: dict[str, Path], tmp_path: Path, in_place: bool
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_models["sd15"], model)
    file = next((model / "unet").glob("*.safetensors"))

    def watch(event: events.Event) -> None:
        if not isinstance(event, events.Step) or event.step != 1:
            return
        if in_place:
            with file.open("ab") as opened:
                opened.write(b"more")
        else:
            new = file.with_suffix(".new")
            new.write_bytes(file.read_bytes())
            new.replace(file)

    told = train(pretrained_model_name_or_path=str(model), max_train_steps=3, watch=watch)
    assert told.code == 0
    said = [message.text for message in told.of(events.Message) if "was written to" in message.text]
    assert len(said) == in_place
    assert all(str(file) in text and "step 1 on" in text for text in said)
