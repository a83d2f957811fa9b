"""Known issues that no log line tells of: rules on numbers."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from statistics import median

from loratui.advice.lora_scale import scale
from loratui.events import Hint
from loratui.recipe import Recipe

NO_EFFECT = "no_effect"

SMALLEST_MOVE = 0.003
"""Below this, rate x steps x alpha / rank leaves a picture as it was.

Adam moves a weight by at most about its learning rate in a step (Kingma and Ba 2015, section 2.1), and
B starts at zero, so the product bounds the size of any entry of B times the strength it is applied
with. The usual 1500 steps at 1e-4 with alpha = rank / 2 come to 0.075; a twenty-fifth of that is
not seen.
"""

ADAPTIVE = ("prodigy", "dadapt")
"""Optimizers that find the rate themselves and want 1 as learning rate (README of prodigyopt)."""

SMALLEST_ADAPTIVE_RATE = 0.05


def without_effect(recipe: Recipe, steps: int, rates: Mapping[str, float] | None = None) -> Hint | None:
    """A hint when a LoRA trained so for ``steps`` steps will hardly show.

    ``rates`` are the learning rates seen in the last step, by parameter group; with an adaptive
    optimizer they are what it found, and without them only its setting can be judged.
    """
    if steps < 1:
        return None
    strength = scale(recipe).most
    setting = recipe.optimizer.unet_rate
    adaptive = recipe.optimizer.name.lower().startswith(ADAPTIVE)
    if adaptive and setting < SMALLEST_ADAPTIVE_RATE:
        return Hint(
            NO_EFFECT,
            "quality",
            f"{recipe.optimizer.name} multiplies the rate it finds by {setting:g}; it is made for 1",
        )
    rate = max((rates or {}).values(), default=0.0) if adaptive else setting
    move = rate * steps * strength
    if (adaptive and not rates) or move >= SMALLEST_MOVE:
        return None
    return Hint(
        NO_EFFECT,
        "quality",
        f"rate {rate:g} x {steps} steps x alpha/rank {strength:g} = {move:.2g}, below {SMALLEST_MOVE:g}",
    )


def nan_words(step: int | None) -> str:
    """Whose words fit a loss that is NaN from this step on.

    No weight has changed before the first step's loss, so the learning rate is not to blame for it: the
    latents are (SDXL's VAE overflows in fp16: README of madebyollin/sdxl-vae-fp16-fix).
    """
    return "nan_latents" if step is not None and step <= 1 else "loss_nan"


SILENT_STEPS = 20
"""So many times the median step without any sign of life is a hang, not a slow step."""

SHORTEST_SILENCE = 120.0
"""Seconds that are never called a hang: a network disk, a compilation."""

_STEPS_FOR_A_MEDIAN = 5


def no_progress(
    silent_for: float, step_seconds: Sequence[float], phase: str, shortest: float = SHORTEST_SILENCE
) -> Hint | None:
    """A hint when nothing has been heard for far longer than a step takes.

    ``silent_for`` is in seconds since the last step or phase; ``step_seconds`` are those of recent steps;
    a silence below ``shortest`` seconds is never called a hang.
    Only the phase ``training`` counts: caching, sampling and saving have no step to compare with.
    """
    if phase != "training" or len(step_seconds) < _STEPS_FOR_A_MEDIAN:
        return None
    usual = median(step_seconds)
    if silent_for < max(shortest, SILENT_STEPS * usual):
        return None
    return Hint("no_progress", "warning", f"{silent_for:.0f} s of silence; a step takes {usual:.3g} s")


CHECKPOINTS_OF_ROOM = 3
"""So many more checkpoints must fit: one being written beside the one it replaces, and a state."""


SMALLEST_ROOM = 64 << 20
"""Bytes that log and events should have, whatever a checkpoint takes."""


def disk_low(free: int, checkpoint: int) -> Hint | None:
    """A hint when the disk will soon be full; both in bytes, ``checkpoint`` the size of the largest yet, 0
    when there is none."""
    if free >= max(SMALLEST_ROOM, CHECKPOINTS_OF_ROOM * checkpoint):
        return None
    files = f", {checkpoint / 1e6:.0f} MB a file" if checkpoint else ""
    return Hint("disk_low", "warning", f"{free / 1e6:.0f} MB free{files}")


def oom_kill(before: int, now: int) -> Hint | None:
    """A hint when the kernel killed a process of this cgroup: ``oom_kill`` of memory.events, at the start
    and now (Linux, Documentation/admin-guide/cgroup-v2.rst)."""
    return Hint("oom_ram", "fatal", f"memory.events: oom_kill {before} -> {now}") if now > before else None


def gpu_throttled(reasons: Sequence[str]) -> Hint | None:
    """A hint when the GPU names heat or power as the reason of its clocks (nvmlClocksEventReasons*)."""
    serious = [reason for reason in reasons if "thermal" in reason.lower() or "power brake" in reason.lower()]
    return Hint("gpu_thermal", "warning", ", ".join(serious)) if serious else None


SHARE_OF_OTHERS = 0.1


def gpu_shared(held_by_others: int, total: int) -> Hint | None:
    """A hint when other processes hold a good part of the GPU's memory; both in bytes."""
    if total <= 0 or held_by_others < SHARE_OF_OTHERS * total:
        return None
    return Hint(
        "gpu_shared", "warning", f"{held_by_others / 2**30:.1f} of {total / 2**30:.1f} GiB is held by others"
    )


_BY_SIGNAL: Mapping[str, str] = {
    "sig_segv": "SEGV ABRT BUS ILL FPE SYS TRAP",
    "sig_term": "TERM HUP QUIT USR1 USR2 ALRM VTALRM PROF PIPE",
    "resource_limit": "XCPU XFSZ",
    "user_stop": "INT",
}


def ended_by(number: int) -> Hint | None:
    """A hint for the signal that ended a trainer which left no word about it: one without a launcher. None
    for those whose cause is not known from the signal alone."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return None
    for key, names in _BY_SIGNAL.items():
        if name.removeprefix("SIG") in names.split():
            return Hint(key, "info" if key == "user_stop" else "fatal", f"the trainer was ended by {name}")
    return None
