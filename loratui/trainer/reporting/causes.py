"""The known issue, a key of presets/hints, behind what ends a training. No torch."""

from __future__ import annotations

from loratui.problems import UserError
from loratui.trainer.reporting.out_of_memory import is_of_gpu, is_out_of_memory

REFUSED = "refused"
"""What no other row of the table is closer to: the trainer's own sentence says what it refuses, and the way
out."""

_CONFLICT = "option_conflict"

_BY_SETTING = {
    "adaptive_noise_scale": "noise_args",
    "bucket_reso_steps": "bucket_bounds",
    "dataset_config": "config_key",
    "lr_scheduler_args": "sched_args",
    "lr_scheduler_min_lr_ratio": "sched_args",
    "max_bucket_reso": "bucket_bounds",
    "min_bucket_reso": "bucket_bounds",
    "network_args": "net_args",
    "optimizer_args": "opt_args",
}
"""What is wrong with most values of these settings."""

_BY_PACKAGE = {
    "bitsandbytes": "mod_bnb",
    "dadaptation": "mod_dadapt",
    "lion-pytorch": "mod_lion",
    "lycoris-lora": "mod_lycoris",
    "prodigyopt": "mod_prodigy",
    "schedulefree": "mod_schedulefree",
}


def of_refusal(error: UserError) -> str:
    """The cause of the first thing that is wrong, its own, else that of its setting."""
    first = next(iter(error.problems), None)
    if first is None or not (first.cause or first.key):
        return REFUSED
    return first.cause or _BY_SETTING.get(first.key, _CONFLICT)


def of_fault(error: Exception) -> str:
    """The cause of an error nobody raised on purpose; empty where the traceback alone tells."""
    if isinstance(error, ModuleNotFoundError):
        return missing((error.name or "").replace("_", "-"))
    if is_out_of_memory(error):
        return "oom_cuda" if is_of_gpu(error) else "oom_ram"
    return ""


def missing(package: str) -> str:
    """The cause where a package, by its name on PyPI, is not installed."""
    return _BY_PACKAGE.get(package, "mod_generic")
