"""Steps that are told one step late, as on a GPU: the same events in the same order; nothing bad is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import load_file

from loratui import events
from loratui.trainer.stepping import Stepper


def comparable(told: list[events.Event]) -> list[events.Event]:
    """Without clocks, memory and paths."""
    clocks = {"elapsed": None, "seconds_per_step": None, "images_per_second": None, "peak_memory": None}
    found: list[events.Event] = []
    for event in told:
        if isinstance(event, events.Step):
            event = msgspec.structs.replace(event, **clocks)
        elif isinstance(event, events.Checkpoint | events.StateSaved):
            event = msgspec.structs.replace(event, path=Path(event.path).name)
        elif isinstance(event, events.Sample):  # its name holds the time
            event = msgspec.structs.replace(event, path="")
        found.append(event)
    return found


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Steps are told late from here on; here that gains nothing, since a CPU knows its numbers at once."""
    return lambda: monkeypatch.setattr(Stepper, "can_be_late", True)


def test_late_or_not_the_same_is_told_and_kept(train: Any, tmp_path: Path, late: Any) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ohwx --w 64 --h 64 --d 3 --s 1\n")
    settings = {
        "max_train_epochs": 2,
        "gradient_accumulation_steps": 2,
        "save_every_n_steps": 3,
        "save_state": True,
        "sample_every_n_steps": 2,
        "sample_prompts": str(prompts),
        "scale_weight_norms": 0.5,
    }
    first = train(**settings)
    weights = load_file(tmp_path / "out" / "tiny.safetensors")
    late()
    second = train(**settings)
    assert first.code == second.code == 0
    assert comparable(first.events) == comparable(second.events)
    assert len(first.of(events.Step)) == 4
    again = load_file(tmp_path / "out" / "tiny.safetensors")
    assert all(torch.equal(tensor, again[key]) for key, tensor in weights.items())


def test_a_late_step_that_is_no_number_ends_the_run_and_is_never_kept(
    train: Any, tmp_path: Path, late: Any
) -> None:
    settings = {"learning_rate": 1e30, "max_train_steps": 9, "save_every_n_steps": 1, "save_state": True}
    first = train(**settings)
    kept = sorted(path.name for path in (tmp_path / "out").iterdir())
    late()
    second = train(**settings)
    assert first.code == second.code == 1
    assert comparable(first.events) == comparable(second.events)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == kept
    # Nothing is saved on the way: the bad step is found one step later.
    train(**{**settings, "save_every_n_steps": None})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == kept
