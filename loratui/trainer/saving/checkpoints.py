"""The files a training leaves behind, under sd-scripts' names."""

from __future__ import annotations

import shutil
from pathlib import Path

from loratui.trainer.settings.config import TrainConfig


def epoch_stem(config: TrainConfig, epoch: int) -> str:
    """``name-000003``: after so many epochs (library/train_util.py, ``EPOCH_FILE_NAME``)."""
    return f"{config.name}-{epoch:06d}"


def step_stem(config: TrainConfig, step: int) -> str:
    """``name-step00000120``: after so many steps."""
    return f"{config.name}-step{step:08d}"


def lora_path(config: TrainConfig, stem: str) -> Path:
    """Where a LoRA file of that stem lies."""
    return Path(config.output_dir).expanduser() / f"{stem}.safetensors"


def state_path(config: TrainConfig, stem: str) -> Path:
    """Where a state folder of that stem lies."""
    return Path(config.output_dir).expanduser() / f"{stem}-state"


def is_due(every: int | None, count: int) -> bool:
    """Whether something that happens every n epochs or steps happens after that many."""
    return bool(every) and count % (every or 1) == 0


def remove_old(config: TrainConfig, epoch: int) -> None:
    """Remove the checkpoint and the state that fall out of save_last_n_epochs. Call it once the new
    ones are on disk."""
    every = config.save_every_n_epochs or 0
    if config.save_last_n_epochs:
        old = epoch - every * config.save_last_n_epochs
        if old > 0:
            lora_path(config, epoch_stem(config, old)).unlink(missing_ok=True)
    kept = config.save_last_n_epochs_state or config.save_last_n_epochs
    if config.save_state and kept and epoch - every * kept > 0:
        shutil.rmtree(state_path(config, epoch_stem(config, epoch - every * kept)), ignore_errors=True)


def remove_old_steps(config: TrainConfig, step: int) -> None:
    """Remove the checkpoint and the state that fall out of save_last_n_steps and save_last_n_steps_state,
    which count steps and not files (library/train_util.py:5796 and :5973)."""
    every, kept = config.save_every_n_steps, config.save_last_n_steps
    if not every:
        return
    if kept is not None and (old := _multiple_before(step - kept, every)) > 0:
        lora_path(config, step_stem(config, old)).unlink(missing_ok=True)
    kept = config.save_last_n_steps_state or kept
    if config.save_state and kept is not None and (old := _multiple_before(step - kept, every)) > 0:
        shutil.rmtree(state_path(config, step_stem(config, old)), ignore_errors=True)


def _multiple_before(step: int, every: int) -> int:
    return (step - 1) - (step - 1) % every
