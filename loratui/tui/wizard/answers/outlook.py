"""What a recipe will take of this machine: memory, time, money, disk. Pure, from what the wizard knows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from loratui import demo
from loratui.advice.base_bits import kept_in
from loratui.advice.memory import MARGIN_GIB, MemoryEstimate, estimate, fits, largest_batch
from loratui.advice.network import file_size_bytes
from loratui.advice.pace import Pace, duration, pace
from loratui.models.inspect import ModelFile
from loratui.tui.text import size
from loratui.tui.wizard.answers.state import WizardState

_STATE_BYTES = 12
"""A saved state holds each LoRA number in fp32 with AdamW's two moments."""
_BYTES = {"float": 4, "fp16": 2, "bf16": 2}


@dataclass(frozen=True, slots=True)
class Outlook:
    """None for what cannot be told yet."""

    memory: MemoryEstimate | None = None
    base_in: str = ""
    """``8 bits`` or ``4 bits``, where the base model is kept so."""
    free_gib: float | None = None
    fits: bool | None = None
    largest_batch: int | None = None
    pace: Pace | None = None
    checkpoints: int | None = None
    disk_bytes: int | None = None
    """Checkpoints and states of the whole run."""
    bytes_to_fetch: int = 0
    """Of a base model on the hub."""
    free_bytes: int | None = None
    hub_free_bytes: int | None = None
    """Where it is fetched to, if that is another disk."""
    is_tiny: bool = False
    """Whether it is the demo's model: no real model's numbers hold for it."""

    @property
    def disk_is_short(self) -> bool:
        """Whether the run would fill the disk, or its model the one it is fetched to."""
        needed = self.disk_bytes or 0
        if self.hub_free_bytes is None:
            needed += self.bytes_to_fetch
        elif self.bytes_to_fetch > self.hub_free_bytes:
            return True
        return self.free_bytes is not None and needed > self.free_bytes


def outlook(state: WizardState) -> Outlook:
    """As things stand."""
    machine, recipe = state.machine, state.recipe
    family: str | None = recipe.base.family
    if family is None and isinstance(state.model, ModelFile):
        family = state.model.family  # a recipe need not say what the file does
    free_bytes = machine.free_bytes if machine else None
    if family is None:
        return Outlook(free_bytes=free_bytes)
    if demo.is_model(recipe.base.model):
        steps = state.count.total_steps if state.count else recipe.steps.target
        told = pace(recipe, family, steps, "", (), machine.price if machine else None)
        return Outlook(is_tiny=True, pace=told, free_bytes=free_bytes)
    gpu, name = (machine.gpu, machine.gpu_name) if machine else (None, "")
    measurements = machine.measurements if machine else ()
    memory = estimate(recipe, family, name, measurements)
    free = gpu.free_gib if gpu else None
    steps = state.count.total_steps if state.count else recipe.steps.target
    checkpoints, disk = _disk(state, family, steps)
    return Outlook(
        memory,
        kept_in(recipe),
        free,
        None if free is None else fits(memory, free),
        None
        if free is None
        else largest_batch(recipe, free, family=family, gpu=name, measurements=measurements),
        pace(recipe, family, steps, name, measurements, machine.price if machine else None),
        checkpoints,
        disk,
        state.model.bytes_to_fetch if isinstance(state.model, ModelFile) else 0,
        free_bytes,
        machine.hub_free_bytes if machine else None,
    )


def _disk(state: WizardState, family: str, steps: int | None) -> tuple[int | None, int | None]:
    """Files saved, and the bytes of them and of the states beside them."""
    recipe, count = state.recipe, state.count
    if not steps:
        return None, None
    output = recipe.output
    by_steps = recipe.kohya.get("save_every_n_steps")
    number = 1
    if isinstance(by_steps, int) and by_steps > 0:
        number = math.ceil(steps / by_steps)
    elif output.save_every_epochs and count is not None:
        number = math.ceil(count.epochs / output.save_every_epochs)
    if output.keep_last is not None:
        number = min(number, output.keep_last + 1)
    encoders = recipe.optimizer.text_encoder_rate is not None
    each = file_size_bytes(family, recipe.network.rank, output.precision, text_encoders=encoders)
    if each is None:
        return number, None
    states = 0
    if output.save_state:
        kept = recipe.kohya.get("save_last_n_epochs_state")
        states = min(number, kept + 1) if isinstance(kept, int) and not by_steps else number
    state_bytes = each / _BYTES[output.precision] * _STATE_BYTES
    return number, round(number * each + states * state_bytes)


def memory_line(seen: Outlook) -> str:
    """One line on memory."""
    if seen.is_tiny:
        return "the demo's model takes next to no memory, and its LoRA next to no room"
    if seen.memory is None:
        return "memory: known once the model is"
    words = f"about {seen.memory.estimate_gib:.1f} GiB ({seen.memory.low_gib:.1f}-{seen.memory.high_gib:.1f})"
    if seen.memory.basis != "model":
        words += ", as measured here" if seen.memory.basis == "measured" else ", by runs here"
    if seen.base_in:
        words += f", base model in {seen.base_in}"
    if seen.free_gib is None:
        return f"memory {words}"
    if seen.fits:
        return f"memory {words} of {seen.free_gib:.1f} free: fits, up to batch {seen.largest_batch}"
    return f"memory {words}: does not fit into {seen.free_gib:.1f} GiB free with {MARGIN_GIB:g} to spare"


def time_line(seen: Outlook) -> str:
    """One line on time and money."""
    if seen.pace is None:
        return ""
    if seen.pace.seconds is None:
        return f"time {seen.pace.sentence}"
    words = f"time about {duration(seen.pace.seconds)} at {seen.pace.seconds_per_step:.2g} s a step"
    if seen.pace.cost is not None:
        words += f", costs {seen.pace.cost:.2f}"
    return words


def disk_line(seen: Outlook) -> str:
    """One line on the disk."""
    if seen.disk_bytes is None or seen.free_bytes is None:
        return ""
    files = "1 file" if seen.checkpoints == 1 else f"{seen.checkpoints} checkpoints"
    words = f"disk {size(seen.disk_bytes)} for {files} and states"
    needed, elsewhere = seen.disk_bytes, ""
    if seen.bytes_to_fetch and seen.hub_free_bytes is None:
        needed += seen.bytes_to_fetch
        words += f", {size(seen.bytes_to_fetch)} for the model"
    elif seen.bytes_to_fetch and seen.hub_free_bytes is not None:
        own = _room(seen.bytes_to_fetch, seen.hub_free_bytes)
        elsewhere = f"; model {size(seen.bytes_to_fetch)}, {own} on its disk"
    return f"{words}, {_room(needed, seen.free_bytes)}{elsewhere}"


def _room(needed: int, free: int) -> str:
    return f"{'more than the' if needed > free else 'of'} {size(free)} free"
