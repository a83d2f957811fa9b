"""``advise``: what to set, why, and what it will take, before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from loratui import kohya_config, places
from loratui.advice import lora_scale
from loratui.advice.advise import advise as all_advice
from loratui.advice.contradictions import contradictions
from loratui.advice.counting import StepCount
from loratui.advice.facts import DatasetFacts, MachineFacts, ModelFacts
from loratui.advice.measured import FILE_NAME, Measurement, read_measurements
from loratui.advice.memory import MARGIN_GIB, MemoryEstimate, estimate, fits, largest_batch
from loratui.advice.pace import pace, price_per_hour
from loratui.advice.steps import count_config
from loratui.advice.suggestion import Contradiction, Suggestion
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.engines import config
from loratui.engines.checking.checks import identified
from loratui.engines.current_set import on_current_steps
from loratui.models.inspect import inspect, require_base
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe, flatten
from loratui.runs.hardware.machine import gpu_facts
from loratui.runs.hardware.machine import price as remembered_price
from loratui.tomlfile import read_toml


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--price", metavar="PER_HOUR", help="What the machine costs an hour; else LORATUI_PRICE.")
@json_option
def advise(file: Path, price: str | None, as_json: bool) -> None:
    """What FILE (a recipe or a Kohya config.toml) should say: rank, alpha, rates, optimizer and more,
    each with its reason; and the memory and time it takes as it stands.

    Exit code 1: the trainer would die of it, or it does not fit into the GPU.
    """
    price_an_hour = price_per_hour(price)
    if price_an_hour is None:
        price_an_hour = remembered_price()
    recipe = identified(config.load(file))
    family = _family(recipe)
    counted, remarks = _count(recipe)
    dataset = DatasetFacts.of(counted) if counted and counted.buckets else None
    model = _model(recipe)
    machine, gpu_sentence = gpu_facts()
    measurements = read_measurements(places.home() / FILE_NAME)
    found = all_advice(recipe, family, dataset, model, machine, measurements)
    problems = contradictions(recipe, family, dataset, model, length_unsaid=_length_unsaid(file))
    memory = _memory(recipe, family, machine, measurements)
    steps = dataset.total_steps(recipe) if dataset else recipe.steps.target
    time = pace(recipe, family, steps, machine.gpu if machine else "", measurements, price_an_hour)
    if as_json:
        now = flatten(recipe)
        print_json(
            {
                "family": family,
                "gpu": machine.gpu if machine else None,
                "advice": [{**asdict(one), "now": now.get(one.key)} for one in found],
                "effective_rate": lora_scale.effective_rate(recipe),
                "memory": memory,
                "time": asdict(time),
                "problems": [_as_json(one) for one in problems],
                "remarks": remarks,
            }
        )
    else:
        _show(recipe, found, problems)
        for remark in remarks:
            say(remark)
        say(_memory_line(memory, machine, gpu_sentence))
        say(f"Time: {time.sentence}")
    refused = any(one.fatal for one in problems) or memory["fits"] is False
    raise click.exceptions.Exit(1 if refused else 0)


def _family(recipe: Recipe) -> str:
    """The recipe's family. Raises ``UserError``, with the reason the model gives, when nothing tells it."""
    if recipe.base.family is not None:
        return recipe.base.family
    found = require_base(Path(recipe.base.model))
    raise UserError(
        recipe.base.model,
        Problem("base.family", f"no engine trains {found.family} models.", "Choose another base model."),
    )


def _count(recipe: Recipe) -> tuple[StepCount | None, list[str]]:
    flat = kohya_config.flatten(config.to_kohya(on_current_steps(recipe), Path()))
    try:
        counted = count_config(flat, config.script_of(recipe), recipe.launch.num_processes)
    except UserError as error:
        return None, [f"The pictures could not be counted: {error}"]
    return counted, [str(problem) for problem in counted.problems]


def _model(recipe: Recipe) -> ModelFacts:
    path = Path(recipe.base.model)
    try:
        found = inspect(path)
    except UserError:
        return ModelFacts(path.name)
    return ModelFacts.of(found)


def _length_unsaid(file: Path) -> bool:
    """Whether a Kohya config leaves the length to sd-scripts."""
    flat = kohya_config.flatten(read_toml(file))
    is_kohya = "pretrained_model_name_or_path" in flat
    return is_kohya and not {"max_train_steps", "max_train_epochs"} & flat.keys()


def _memory(
    recipe: Recipe, family: str, machine: MachineFacts | None, measurements: Sequence[Measurement]
) -> dict[str, Any]:
    name, free = (machine.gpu, machine.free_gib) if machine else ("", None)
    found: MemoryEstimate = estimate(recipe, family, name, measurements)
    values = {key: _rounded(value) for key, value in asdict(found).items()}
    return {
        **values,
        "free_gib": _rounded(free),
        "margin_gib": MARGIN_GIB,
        "fits": None if free is None else fits(found, free),
        "largest_batch": None
        if free is None
        else largest_batch(recipe, free, family=family, gpu=name, measurements=measurements),
    }


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 2) if isinstance(value, float) else value


def _as_json(one: Contradiction) -> dict[str, Any]:
    return {**asdict(one.problem), "change": dict(one.change), "fatal": one.fatal, "source": one.source}


def _show(recipe: Recipe, found: Sequence[Suggestion], problems: Sequence[Contradiction]) -> None:
    now = flatten(recipe)
    for one in problems:
        say(f"{'refused' if one.fatal else 'in vain'}: {one.problem}")
    for suggestion in found:
        current = now.get(suggestion.key)
        same = _equal(current, suggestion.value)
        value = f"{_word(suggestion.value)}" + ("" if same else f" (now {_word(current)})")
        data(f"{suggestion.key} = {value}")
        usual = ""
        if suggestion.low is not None and suggestion.high is not None:
            usual = f" Usual: {suggestion.low:g} to {suggestion.high:g}."
        data(f"    {suggestion.reason}{usual} [{suggestion.source}]")
    say(f"As it stands: {lora_scale.in_words(recipe)}.")


def _equal(current: Any, value: Any) -> bool:
    return bool(list(current) == list(value) if isinstance(value, list) and current else current == value)


def _word(value: Any) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ", ".join(_word(item) for item in value) or "none"
        case _:
            return str(value)


def _memory_line(memory: dict[str, Any], machine: MachineFacts | None, sentence: str) -> str:
    text = (
        f"Memory as it stands: about {memory['estimate_gib']:.1f} GiB"
        f" ({memory['low_gib']:.1f} to {memory['high_gib']:.1f}, {memory['basis']})"
    )
    if machine is None:
        return f"{text}. {sentence}"
    if memory["fits"]:
        most = memory["largest_batch"]
        return f"{text}; fits into {machine.free_gib:.1f} GiB free on {machine.gpu}, largest batch {most}."
    return (
        f"{text}; does not fit into {machine.free_gib:.1f} GiB free on {machine.gpu}."
        " Take gradient_checkpointing and a smaller batch_size, then a lower rank or resolution."
    )
