"""Where a training begins: afresh, at a step that the config names, or where a saved state stands."""

from __future__ import annotations

import random
from pathlib import Path

from loratui.problems import Problem, refusal
from loratui.trainer.optimizing.scaling import go_on
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.saving import checkpoints, state
from loratui.trainer.saving.state import Progress
from loratui.trainer.schedule import Plan
from loratui.trainer.settings.config import ConfigRefusedError, TrainConfig
from loratui.trainer.stepping import Stepper


def seed_of(config: TrainConfig, progress: Progress | None) -> int:
    """The config's, else the state's, else one drawn now."""
    if config.seed is not None:
        return config.seed
    return progress.seed if progress else random.SystemRandom().randrange(2**32)


def first_step_of(config: TrainConfig, progress: Progress | None, plan: Plan, report: Reporter) -> int:
    """Steps that count as done: at initial_step or initial_epoch, else where the state of ``resume`` stands
    (train_network.py:1232-1250). Without skip_until_initial_step the count starts again, as it does in
    sd-scripts (:1257-1276).

    Raises ``UserError`` when nothing is left to train.
    """
    if not config.skip_until_initial_step:
        return 0
    if given := _named_step(config, plan):
        return given
    if progress is None:
        return 0
    if progress.current_step >= plan.total_steps:
        if progress.current_step == plan.total_steps and _lacks_its_file(config):
            return plan.total_steps
        raise refusal(
            config.resume,
            f"this state is at step {progress.current_step} of {plan.total_steps}: nothing is left to train.",
            "Raise max_train_epochs or max_train_steps.",
            "resume_done",
        )
    if progress.batches_per_epoch != plan.batches_per_epoch:
        report.message(
            "warning",
            f"The dataset has changed: {plan.batches_per_epoch} batches in an epoch, and"
            f" {progress.batches_per_epoch} when this state was saved. Training goes on at the same step.",
        )
    return progress.current_step


def _named_step(config: TrainConfig, plan: Plan) -> int | None:
    """initial_step, or the steps before initial_epoch."""
    key, given = "initial_step", config.initial_step
    if given is None and config.initial_epoch is not None:
        key, given = "initial_epoch", (config.initial_epoch - 1) * plan.steps_per_epoch
    if given is not None and given >= plan.total_steps:
        message = f"training is to begin after step {given} of {plan.total_steps}: nothing is left to train."
        fix = "Raise max_train_epochs or max_train_steps."
        raise ConfigRefusedError(str(config.source), Problem(key, message, fix))
    return given


def _lacks_its_file(config: TrainConfig) -> bool:
    """Whether ``resume`` names a state of this very training, which broke off between its last step and its
    file: the file is all that is left to do."""
    folder = Path(config.output_dir).expanduser().absolute()
    is_own = Path(config.resume or "").expanduser().absolute().parent == folder
    return is_own and not checkpoints.lora_path(config, config.name).exists()


def restore(config: TrainConfig, progress: Progress, stepper: Stepper) -> None:
    """Put network, optimizer, generators and gradient scaler back to where the state of ``resume`` has them.

    Raises ``UserError`` when the state is broken, or of another network.
    """
    state.load(Path(config.resume or "").expanduser(), stepper.network, stepper.optimizer)
    scaler = stepper.accelerator.scaler
    if progress.scaling and scaler:
        go_on(scaler, progress.scaling)
