"""The steps of the wizard, and which of them asks for a setting."""

from __future__ import annotations

STEPS = ("Model", "Dataset", "Purpose", "Trigger", "Steps", "Review")
"""Five questions, and one page of answers."""
REVIEW = len(STEPS)

_STEP_OF = {
    "base.model": 1,
    "dataset.folder": 2,
    "dataset.regularization": 2,
    "dataset.caption_extension": 2,
    "dataset.purpose": 3,
    "dataset.trigger": 4,
    "steps": 5,
    "samples": 5,
    "output.save_every_epochs": 5,
}
"""By dotted key, else by section; everything else is on Review."""
_STEP_OF_CONFIG_KEY = {"train_data_dir": 2, "reg_data_dir": 2, "max_train_epochs": 5, "max_train_steps": 5}


def step_of(key: str) -> int:
    """The step that a setting is asked in."""
    return _STEP_OF.get(key) or _STEP_OF.get(key.partition(".")[0], REVIEW)


def step_of_config_key(key: str) -> int:
    """The same for a key of config.toml."""
    return _STEP_OF_CONFIG_KEY.get(key, REVIEW)
