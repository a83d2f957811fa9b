"""All advice on a recipe at once, in such a way that following it leaves no contradiction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loratui.advice.base_bits import fewer_bits, undone
from loratui.advice.contradictions import contradictions
from loratui.advice.facts import DatasetFacts, MachineFacts, ModelFacts
from loratui.advice.measured import Measurement
from loratui.advice.memory import MARGIN_GIB, checkpointing_needed, largest_batch
from loratui.advice.optimizer import optimizer_advice
from loratui.advice.suggestion import Suggestion, applied
from loratui.advice.training import training_advice
from loratui.recipe import Recipe

_ROUNDS = 6
_MODEL_SOURCE = "loratui/advice/memory.py, against published runs"


def advise(
    recipe: Recipe,
    family: str,
    dataset: DatasetFacts | None = None,
    model: ModelFacts | None = None,
    machine: MachineFacts | None = None,
    measurements: Sequence[Measurement] = (),
) -> tuple[Suggestion, ...]:
    """One suggestion for each key, in the order of the screens.

    Engine, purpose, network type and optimizer stay as the person chose them; the length of the run stays
    unless it is a mistake. ``applied(recipe, advise(...))`` passes ``recipe.check`` and has no
    contradiction, for a recipe that passes ``recipe.check`` itself.
    """
    model = model or ModelFacts("")
    found = {
        one.key: one
        for one in (
            *_network(recipe),
            *optimizer_advice(recipe, family),
            *training_advice(recipe, family, model, machine),
        )
    }
    found |= {one.key: one for one in _memory(recipe, found, family, machine, measurements)}
    for _ in range(_ROUNDS):
        mends = contradictions(applied(recipe, found.values()), family, dataset, model)
        if not mends:
            break
        for mend in mends:
            for key, value in mend.change.items():
                found[key] = Suggestion(key, value, f"As it is, {mend.problem.message}", mend.source)
    return tuple(found.values())


def _network(recipe: Recipe) -> Iterator[Suggestion]:
    network = recipe.network
    reason = {
        "lora": "The plain kind: right to begin with, and every program reads it.",
        "locon": "Convolutions learn too: textures and brush strokes, good for styles.",
        "loha": "Holds much in few numbers; slower, and fewer programs read it.",
        "lokr": "The smallest files; fewer programs read them.",
    }[network.type]
    yield Suggestion("network.type", network.type, reason, "kohya_ss docs/LoRA/options.md; rentry.org/59xed3")
    if network.type == "locon":
        source = "hollowstrawberry's trainers; kohya_ss preset edgLoRAXL"
        reason = "Half of what the rest gets: textures are small."
        yield Suggestion("network.conv_rank", 8, reason, source, 4, 32)
        reason = "Half of conv_rank; alpha 1 on a rank of 32 would learn next to nothing."
        yield Suggestion("network.conv_alpha", 4.0, reason, source, 1, 8)


def _memory(
    recipe: Recipe,
    found: dict[str, Suggestion],
    family: str,
    machine: MachineFacts | None,
    measurements: Sequence[Measurement],
) -> Iterator[Suggestion]:
    changing = any(recipe.kohya.get(key) for key in ("color_aug", "random_crop"))
    if not changing:
        reason = "The VAE works once instead of at every step, and leaves the GPU."
        yield Suggestion("training.cache_latents", True, reason, "sd-scripts docs/train_network.md")
    if machine is None:
        return
    settled = applied(recipe, [*found.values(), Suggestion("training.cache_latents", not changing, "", "")])
    bits = undone(recipe, family)
    settled = _with(settled, bits)
    needed = checkpointing_needed(
        settled, machine.free_gib, family=family, gpu=machine.gpu, measurements=measurements
    )
    reason = "Everything fits without it, and each step takes about a third less time."
    if needed:
        reason = "Without it this does not fit; each step takes about a third more time."
    source = _MODEL_SOURCE
    yield Suggestion("training.gradient_checkpointing", needed, reason, source)
    settled = applied(settled, [Suggestion("training.gradient_checkpointing", needed, "", "")])
    most = largest_batch(settled, machine.free_gib, family=family, gpu=machine.gpu, measurements=measurements)
    reasons = dict.fromkeys(bits, "Everything fits with the base model as it is, which is finer and quicker.")
    while not most:
        way = next(fewer_bits(settled, family), None)
        if way is None:
            break
        bits |= way.changes
        reasons |= dict.fromkeys(way.changes, f"In no other way does this fit. {way.reason}")
        settled = _with(settled, way.changes)
        most = largest_batch(
            settled, machine.free_gib, family=family, gpu=machine.gpu, measurements=measurements
        )
    if most or bits == undone(recipe, family):
        yield from (Suggestion(key, value, reasons[key], source) for key, value in bits.items())
    reason = (
        f"Up to {most} fit into {machine.free_gib:.1f} GiB with {MARGIN_GIB:g} GiB to spare; twice the batch"
        " sees as much in half of the steps, and bears up to twice the rate."
    )
    if not most:
        reason = (
            f"Not even one picture fits into {machine.free_gib:.1f} GiB: use a smaller rank, AdamW8bit, or a"
            " lower resolution."
        )
    batch = max(1, min(recipe.steps.batch_size, most))
    yield Suggestion("steps.batch_size", batch, reason, source, 1, max(1, most))


def _with(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    return applied(recipe, [Suggestion(key, value, "", "") for key, value in changes.items()])
