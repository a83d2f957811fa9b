"""Hint and recipe in, changed recipe out: what one key can do about a known issue."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from loratui import kohya_config
from loratui.advice.optimizer import kind_of
from loratui.advice.relief import relief, smaller_batch
from loratui.builtin import optimizers as builtin_optimizers
from loratui.builtin import support as builtin_support
from loratui.engines import config
from loratui.events import Hint
from loratui.problems import UserError
from loratui.recipe import Recipe, change, check
from loratui.runs.hints.matcher import HintRule, recipe_changes, rule_for
from loratui.runs.hints.packages import Installation, installation

Change = tuple[str, Any, Any]
"""Dotted key, old value, new value."""

MEMORY = frozenset({"oom_cuda", "oom_cublas"})
"""Hints the memory model answers: where it offers nothing, the words of the table promise too much."""
_FAMILY = frozenset({"v2_flag", "wrong_arch"})
_LATENTS = frozenset({"nan_latents"})
_NUMBERS = frozenset({"loss_nan", "black_samples"})

_STATE_STAYS_SOUND = re.compile(
    r"steps\.(?:batch_size|accumulation)|training\.(?:gradient_checkpointing|cache_latents|base_4bit)"
    r"|samples\..+|output\.(?:keep_last|save_every_epochs)"
    r"|kohya\.(?:fp8_base|fp8_base_unet|sample_every_n_steps|sdpa|xformers|mem_eff_attn|vae_batch_size"
    r"|cache_latents_to_disk|max_data_loader_n_workers"
    r"|persistent_data_loader_workers|lowram|log_with|logging_dir|tokenizer_cache_dir)"
)
"""Settings that change how a step is computed, not what is learned. A state made under any other setting
does not fit: another network or optimizer refuses it, and a state holds its own rates (accelerate's
load_state puts the schedule's base rates back)."""

DEAD_WEIGHTS = frozenset({"loss_nan", "nan_latents", "black_samples"})
"""After these the saved weights may hold NaN."""

_PERSISTENT = "persistent_data_loader_workers"

_CAPACITY = re.compile(r"total capacity of ([\d.]+) ([GM])iB|; ([\d.]+) ([GM])iB total capacity")
"""How torch names the GPU's memory in its message (c10/cuda/CUDACachingAllocator.cpp)."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known besides the recipe; all of it optional."""

    capacity_gib: float | None = None
    """Memory of the GPU."""
    capability: tuple[int, int] | None = None
    sampling: bool = False
    """A sample picture was being drawn."""


@dataclass(frozen=True, slots=True)
class Fix:
    """What can be done about one hint of one run."""

    hint: Hint
    rule: HintRule
    recipe: Recipe
    """As it would be started again."""
    changes: tuple[Change, ...] = ()
    reasons: tuple[str, ...] = ()
    """Why so, and at what price: a sentence each."""
    state_stays_sound: bool = True
    """Whether a state saved before may be resumed from."""
    install: Installation | None = None
    refusal: str = ""
    """Why no setting is offered."""

    @property
    def can_do(self) -> bool:
        """Whether there is anything to offer."""
        return bool(self.changes or self.install)


def propose(hint: Hint, recipe: Recipe, situation: Situation | None = None) -> Fix:
    """The fix for a hint. Pure but for looking at the model's header and at which Python runs the trainer.

    Raises ``KeyError`` for a hint without a row in the table.
    """
    row = rule_for(hint)
    if row is None:
        raise KeyError(hint.key)
    situation = situation or Situation()
    install = installation(row, hint.line, recipe.launch.engine)
    changes, reasons, refusal = _wanted(row, hint, recipe, situation)
    changes = _obeyed(changes, recipe)
    base = Fix(hint, row, recipe, install=install, refusal=refusal)
    if not changes:
        return base
    try:
        changed = change(recipe, changes)
    except UserError as error:
        return replace(base, refusal=str(error))
    problems = check(changed)
    if problems:
        return replace(base, refusal=str(problems[0]))
    diff = tuple(recipe.diff(changed))
    if not diff:
        return base
    sound = hint.key not in DEAD_WEIGHTS and all(_STATE_STAYS_SOUND.fullmatch(key) for key, _, _ in diff)
    return replace(base, recipe=changed, changes=diff, reasons=tuple(reasons), state_stays_sound=sound)


_Wanted = tuple[dict[str, Any], list[str], str]


def _wanted(row: HintRule, hint: Hint, recipe: Recipe, situation: Situation) -> _Wanted:
    own: dict[frozenset[str], Callable[[], _Wanted]] = {
        MEMORY: lambda: _less_memory(hint, recipe, situation),
        _FAMILY: lambda: _family(recipe),
        _NUMBERS: lambda: _calmer(row, recipe),
        _LATENTS: lambda: _whole_vae(row, recipe, situation),
    }
    for keys, make in own.items():
        if row.key in keys:
            return make()
    return recipe_changes(row, recipe), [], ""


def _less_memory(hint: Hint, recipe: Recipe, situation: Situation) -> _Wanted:
    capacity = capacity_in(hint.line) or situation.capacity_gib
    found = relief(
        recipe,
        recipe.base.family or "",
        capacity_gib=capacity,
        capability=situation.capability,
        sampling=situation.sampling,
    )
    changes: dict[str, Any] = {}
    for lever in found.levers:
        changes |= lever.changes
    reasons = [lever.reason for lever in found.levers]
    if found.before_gib and found.after_gib:
        reasons.append(f"Memory: about {found.before_gib:.1f} GiB before, {found.after_gib:.1f} GiB after.")
    return changes, reasons, found.refusal


def capacity_in(line: str) -> float | None:
    """GiB of the GPU, as torch's out-of-memory message names it."""
    found = _CAPACITY.search(line)
    if found is None:
        return None
    number, unit = (found[1], found[2]) if found[1] else (found[3], found[4])
    return float(number) / (1024 if unit == "M" else 1)


def _family(recipe: Recipe) -> _Wanted:
    """The family that the model's own header says."""
    from loratui.models.inspect import inspect

    try:
        found = inspect(Path(recipe.base.model))
    except (UserError, OSError):
        return {}, [], ""
    if not found.trainable or found.family in (None, recipe.base.family):
        return {}, [], found.evidence[-1] if not found.trainable and found.evidence else ""
    return {"base.family": found.family}, [f"The model's header says {found.family}."], ""


def _whole_vae(row: HintRule, recipe: Recipe, situation: Situation) -> _Wanted:
    """sd-scripts can run the VAE alone in full precision; the builtin trainer changes its precision."""
    if recipe.launch.engine == "kohya":
        return recipe_changes(row, recipe), ["The VAE alone runs in full precision: hardly slower."], ""
    if recipe.training.precision != "fp16":
        return {}, [], "The precision is not to blame: a picture, the VAE or the base model is broken."
    word = "bf16" if situation.capability is not None and situation.capability >= (8, 0) else "no"
    return {"training.precision": word}, ["fp16 ends at 65504, and the VAE passes it."], ""


def _calmer(row: HintRule, recipe: Recipe) -> _Wanted:
    """A tenth of the rate; of an optimizer that finds its rate, half of what it finds. fp16 overflows where
    bf16 does not."""
    kind = kind_of(recipe.optimizer.name)
    reasons = []
    if kind is not None and kind.finds_its_rate:
        others = tuple(one for one in recipe.optimizer.arguments if not one.startswith("d_coef="))
        now = next((one for one in recipe.optimizer.arguments if one.startswith("d_coef=")), "d_coef=1")
        changes: dict[str, Any] = {"optimizer.arguments": (*others, f"d_coef={_halved(now):g}")}
        reasons.append(f"{recipe.optimizer.name} finds its own rate: d_coef halves what it finds.")
    else:
        changes = {key: _sane(key, value) for key, value in recipe_changes(row, recipe).items()}
        reasons.append("A tenth of the learning rate, and no more than is usual.")
    network = recipe.network
    if network.alpha > network.rank:
        changes["network.alpha"] = float(network.rank)
    if row.key == "loss_nan" and recipe.training.precision == "fp16" and network.alpha <= network.rank:
        reasons.append("If it comes again: bf16, where the GPU has it (RTX 30 and later).")
    return changes, reasons, ""


_HIGHEST_RATE = 1e-3
_USUAL_RATE = 1e-4
"""What the presets set for AdamW; ten times that is the most that a LoRA trained alone takes."""


def _sane(key: str, value: Any) -> Any:
    """A tenth of a rate that was a slip of the pen is one, too."""
    is_rate = key.endswith("_rate") and isinstance(value, float)
    return _USUAL_RATE if is_rate and value > _HIGHEST_RATE else value


def _halved(argument: str) -> float:
    try:
        return float(argument.partition("=")[2]) / 2
    except ValueError:
        return 0.5


def _obeyed(changes: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    """Without what the engine would pass over or refuse: that cannot help."""
    kept = dict(changes)
    if kept.pop("kohya.network_train_unet_only", False):  # a recipe says it so
        kept["optimizer.text_encoder_rate"] = None
    if kept.get("kohya.max_data_loader_n_workers") == 0 and recipe.kohya.get(_PERSISTENT):
        kept[f"kohya.{_PERSISTENT}"] = False  # torch refuses to keep workers that there are not
    script = config.script_of(recipe)
    for key in list(kept):
        section, _, name = key.partition(".")
        if section != "kohya":
            continue
        builtin = recipe.launch.engine == "builtin"
        known = name in builtin_support.KEYS if builtin else kohya_config.option(name, script) is not None
        if not known and not (builtin and name in recipe.kohya and changes[key] is False):
            del kept[key]
    wanted = kept.get("optimizer.name")
    if recipe.launch.engine == "builtin" and wanted:
        fact = builtin_optimizers.find(wanted)
        if fact is None or builtin_optimizers.missing_package(fact):
            kept["optimizer.name"] = "AdamW"
    if kept.get("steps.batch_size"):
        lever = smaller_batch(recipe)
        if lever is not None and "steps.accumulation" not in kept:
            kept |= lever.changes
    return kept
