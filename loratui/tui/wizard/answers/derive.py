"""What a model, the pictures, a purpose and this machine suggest for settings that nobody has decided.

Every suggestion keeps its reason: Review shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from loratui import places
from loratui.advice.advise import advise
from loratui.advice.facts import ModelFacts
from loratui.advice.length import Effort, Plan, plan, save_interval
from loratui.advice.sampling import caption_style, prompt_advice
from loratui.advice.suggestion import Suggestion
from loratui.advice.training import smallest_side
from loratui.advice.trigger import prefix_advice, trigger_advice
from loratui.families import FAMILIES
from loratui.models.catalog import Entry
from loratui.models.inspect import ModelFile
from loratui.models.named import entry_of
from loratui.recipe import Recipe, change
from loratui.tui.wizard.answers.facts import DatasetFacts

if TYPE_CHECKING:
    from loratui.tui.wizard.answers.state import WizardState

_HERE = "loratui"
_BATCH = {"sd15": 4, "sd2": 4, "sdxl": 2}
"""Where a GPU has room. Civitai's trainer takes 6 and 4; smaller ones learn finer."""
_PICTURES_PER_BATCH = 8
"""So that a small set's buckets are not all smaller than one batch."""
_ENOUGH_STATES = 2


def settings(state: WizardState) -> Iterator[Suggestion]:
    """Everything but the length, which hangs on the batch size chosen here."""
    yield from _dataset(state)
    entry = entry_of(state.recipe.base.model)
    family = _family(state, entry)
    if family is None:
        return
    yield from _model(state, family, entry)


def _family(state: WizardState, entry: Entry | None) -> str | None:
    if isinstance(state.model, ModelFile) and state.model.family in FAMILIES:
        return state.model.family
    if entry is not None and entry.family in FAMILIES:
        return entry.family
    return state.recipe.base.family


def _dataset(state: WizardState) -> Iterator[Suggestion]:
    dataset = state.recipe.dataset
    if not isinstance(state.dataset, DatasetFacts):
        return
    facts = state.dataset
    yield trigger_advice(dataset.purpose, facts.captions, facts.folder_words)
    prefix = prefix_advice(
        dataset.trigger, *facts.says(dataset.trigger), regularization=bool(facts.scan.reg_pictures)
    )
    nothing = "The captions say the trigger, or there is none."
    yield prefix or Suggestion("kohya.caption_prefix", None, nothing, _HERE)
    name = _name_of(state.text("dataset.folder"))
    if name:
        yield Suggestion("output.name", name, "The folder's name; any other will do.", _HERE)


def _model(state: WizardState, family: str, entry: Entry | None) -> Iterator[Suggestion]:
    facts = FAMILIES[family]
    source = "the model's own file" if isinstance(state.model, ModelFile) else "the catalogue"
    yield Suggestion("base.family", family, f"{facts.title}, by its header.", source)
    engine = "builtin" if facts.builtin else "kohya"
    reason = (
        "loratui's own trainer: nothing to set up." if facts.builtin else "sd-scripts trains this family."
    )
    yield Suggestion("launch.engine", engine, reason, _HERE)
    recipe = _with_batch(state, family)
    model = _model_facts(state, entry)
    machine = state.machine
    gpu = machine.gpu if machine else None
    found = {
        one.key: one
        for one in advise(recipe, family, None, model, gpu, machine.measurements if machine else ())
    }
    yield from _as_decided(state, found)
    if machine is not None and gpu is None:
        yield Suggestion("training.precision", "no", "Without a GPU nothing gains from less.", _HERE)
    step = max(64, facts.bucket_step)
    yield Suggestion("training.bucket_step", step, "What the family's scripts accept.", "sd-scripts", 32, 64)
    size = state.recipe.training.resolution
    reason = "Half of the resolution, 256 at most: narrow pictures keep a bucket of their own."
    yield Suggestion("training.bucket_min", smallest_side(size), reason, "sd-scripts", 64, min(size))
    if max(size) > 2 * facts.resolution:
        reason = "No bucket may be smaller than the resolution on its longer side."
        yield Suggestion("training.bucket_max", max(size), reason, "sd-scripts")
    if entry is not None and entry.clip_skip is not None and family != "sdxl":
        yield Suggestion("training.clip_skip", entry.clip_skip, "As its page says.", entry.url)
    captions = state.dataset.captions if isinstance(state.dataset, DatasetFacts) else ()
    style = caption_style(family, entry.captions if entry else "", captions)
    trigger = state.recipe.dataset.trigger
    yield prompt_advice(state.recipe.dataset.purpose, trigger, style, entry.quality if entry else "")


def _as_decided(state: WizardState, found: dict[str, Suggestion]) -> Iterator[Suggestion]:
    """Advice that hangs on other advice, brought in line with what the person decided of that."""
    recipe = state.recipe
    rank, alpha = found.get("network.rank"), found.get("network.alpha")
    if rank and alpha and rank.value and "network.rank" in state.decided:
        value = min(float(recipe.network.rank), max(1.0, alpha.value * recipe.network.rank / rank.value))
        found[alpha.key] = replace(alpha, value=value, low=1, high=recipe.network.rank)
    if recipe.network.type != "locon":
        for key in ("network.conv_rank", "network.conv_alpha"):
            found[key] = Suggestion(key, None, "Only a LoCon has convolutions of its own.", _HERE)
    yield from found.values()


def _with_batch(state: WizardState, family: str) -> Recipe:
    """The recipe with the batch to begin with: advice cuts it down to what fits, and never raises it."""
    if "steps.batch_size" in state.decided:
        return state.recipe
    batch = 1
    if state.machine is not None and state.machine.gpu is not None and state.count is not None:
        batch = min(_BATCH.get(family, 1), max(1, state.count.train_images // _PICTURES_PER_BATCH))
    return change(state.recipe, {"steps.batch_size": batch})


def _model_facts(state: WizardState, entry: Entry | None) -> ModelFacts:
    found = ModelFacts.of(state.model) if isinstance(state.model, ModelFile) else ModelFacts("")
    if entry is not None and found.prediction is None:
        return ModelFacts(entry.file, entry.prediction, entry.zero_terminal_snr)
    return found


def length(state: WizardState) -> Iterator[Suggestion]:
    """Epochs or steps by effort, and how often is saved and drawn."""
    count, recipe = state.count, state.recipe
    if count is None or not count.steps_per_epoch:
        return
    planned = planned_length(state)
    assert planned is not None
    reason = f"Each picture is seen {planned.times_seen:.0f} times."
    if planned.capped:
        reason += f" Not otherwise: {planned.capped}."
    source = "Civitai's, ai-toolkit's and hollowstrawberry's defaults, by pictures shown"
    if "steps.epochs" not in state.decided:
        yield Suggestion("steps.epochs", planned.epochs, reason, source)
        yield Suggestion("steps.target", planned.target, reason, source)
        epochs, by_steps, every = planned.epochs, planned.save_every_steps, planned.save_every_epochs
    else:
        epochs, by_steps, every = recipe.steps.epochs, 0, save_interval(recipe.steps.epochs or 1)
    if epochs is None:
        by_steps = by_steps or save_interval(recipe.steps.target or planned.total_steps)
    every = 0 if by_steps or epochs is None else every
    reason = "About ten to choose the best from, by eye."
    source = "Civitai's trainer keeps as many"
    yield Suggestion("output.save_every_epochs", every, reason, source)
    yield Suggestion("kohya.save_every_n_steps", by_steps or None, reason, source)
    reason = "With each checkpoint, to see which is best."
    yield Suggestion("samples.every_epochs", every, reason, _HERE)
    chosen = "samples.every_epochs" in state.decided  # so many epochs, or none at all
    yield Suggestion("kohya.sample_every_n_steps", None if chosen else by_steps or None, reason, _HERE)
    keeps = every and recipe.output.save_state
    reason = "The last two states are enough to go on from; all ten would fill the disk."
    yield Suggestion("kohya.save_last_n_epochs_state", _ENOUGH_STATES if keeps else None, reason, _HERE)


def planned_length(state: WizardState, effort: Effort | None = None) -> Plan | None:
    """The length for an effort; None until the pictures are counted."""
    count, recipe = state.count, state.recipe
    if count is None or not count.steps_per_epoch:
        return None
    return plan(
        recipe.dataset.purpose,
        recipe.base.family or "",
        effort or state.effort,
        images=count.train_images,
        repeated=count.train_images_repeated,
        steps_per_epoch=count.steps_per_epoch,
        batch=recipe.steps.batch_size * recipe.steps.accumulation * recipe.launch.num_processes,
    )


def _name_of(folder: str) -> str:
    """A name for the LoRA from its folder of pictures, or from the folder that was arranged."""
    if not folder:
        return ""
    path = Path(folder)
    if path.suffix.lower() in (".toml", ".json"):  # a dataset_config
        return path.stem.strip(". ")[:60] or "lora"
    name = path.name.strip(". ")[:60] or "lora"
    arranged = Path(folder).parent == places.datasets_folder()
    return re.sub(r"-[0-9a-f]{8}$", "", name) if arranged else name
