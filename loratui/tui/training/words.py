"""A run in words: pure functions from its view to what the panel shows."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from loratui.events import ENDED, RunState
from loratui.runs.view import RunView
from loratui.tui import text
from loratui.tui.glyphs import glyphs

_PHASES = {
    "starting": "starting the trainer",
    "libraries": "loading libraries",
    "dataset": "reading the pictures",
    "model": "loading the base model",
    "caching": "encoding the pictures",
    "network": "building the LoRA",
    "hashing": "computing the base model's checksum",
    "validating": "measuring the loss on the validation pictures",
    "sampling": "drawing sample pictures",
    "saving": "saving",
}

_QUIET = 20.0
"""Seconds without a step before anything is said of it; ten times a step's time where that is more."""
_OWN_WORDS = {
    ("caching", "latents"): "encoding the pictures",
    ("caching", "captions"): "encoding the captions",
    ("dataset", "captions"): "reading the captions",
    ("saving", "checkpoint"): "saving a checkpoint",
    ("saving", "state"): "saving the state to resume from",
    ("saving", "upload"): "sending it to the hub",
}
"""By phase and detail, where both together read better."""

STYLES: dict[str, str] = {
    "running": "$success",
    "finished": "$success",
    "stopping": "$warning",
    "stopped": "$warning",
    "failed": "$error",
    "lost": "$error",
}


def sign(state: RunState) -> str:
    """One character that says what the colour says."""
    signs = glyphs()
    return {
        "running": signs.running,
        "finished": signs.fine,
        "failed": signs.wrong,
        "lost": signs.wrong,
        "stopping": signs.unusual,
        "stopped": signs.unusual,
    }.get(state, signs.between)


def silence(view: RunView, now: float) -> int:
    """For how many seconds a run that trains has told of no step, where that is unusual; coarse, since every
    change is painted. ``now``: wall clock, seconds since 1970."""
    if view.state != "running" or view.phase.name != "training" or view.stepped_at is None:
        return 0
    quiet, usual = now - view.stepped_at, view.seconds_per_step or 0.0
    if quiet < max(_QUIET, 10 * usual):
        return 0
    part = next((part for most, part in ((60, 10), (600, 60)) if quiet < most), 300)
    return int(quiet // part * part)


def head(view: RunView, width: int, silent: int = 0) -> Content:
    """State, step, bar, percentage, speed, time left: as much as fits, in this order of importance. A run
    that is ``silent`` for so many seconds has no speed and no time left."""
    state = f"{sign(view.state)} {view.state.upper()}"
    steps = f"step {view.step:,}/{view.total_steps:,}" if view.total_steps else f"step {view.step:,}"
    share = min(1.0, view.step / view.total_steps) if view.total_steps else None
    part = _share_of_phase(view)
    if part is not None:
        steps, share = phase(view), part
    after = [f"{share:.0%}"] if share is not None else []
    if silent:
        after.append(f"no step for {text.duration(silent)}")
    elif view.seconds_per_step is not None and view.state not in ("lost", "failed"):
        after.append(text.speed(view.seconds_per_step))
        if view.seconds_left is not None and view.state not in ENDED:
            after.append(f"{text.duration(view.seconds_left)} left")
    tail = "   ".join(after)
    room = width - len(state) - len(steps) - len(tail) - 7
    parts = [(state, f"bold {STYLES.get(view.state, '')}".strip()), (f"  {steps}  ", "")]
    if share is not None and room >= 8:
        full = int(share * room)
        parts += [
            (glyphs().bar_full * full, "$accent"),
            (glyphs().bar_rest * (room - full), "$text-disabled"),
        ]
        parts.append(("  ", ""))
    parts.append((tail, ""))
    return Content.assemble(*parts)


def _share_of_phase(view: RunView) -> float | None:
    """How much of what comes before the first step is done, where that is counted."""
    done, total = view.phase.done, view.phase.total
    if view.step or view.state in ENDED or done is None or not total or view.phase.name == "training":
        return None
    return min(1.0, done / total)


def tiny(view: RunView, width: int = 1000) -> str:
    """A few short rows for a terminal that has no room for the panel: a telephone, a small pane."""
    total = f"/{view.total_steps:,}" if view.total_steps else ""
    share = f"  {view.step / view.total_steps:.0%}" if view.total_steps else ""
    rows = [f"{sign(view.state)} {view.state.upper()}  step {view.step:,}{total}{share}"]
    if view.loss is not None or not view.finite:
        mean = view.losses.last_mean(50)
        smooth = f"  mean {text.loss(mean)}" if mean is not None else ""
        rows.append(f"loss {text.loss(view.loss, view.finite)}{smooth}")
    pace = text.speed(view.seconds_per_step) if view.seconds_per_step else ""
    if view.seconds_left is not None and view.state not in ENDED:
        pace += f"  {text.duration(view.seconds_left)} left"
    doing = [phase(view), _epoch(view) if view.epochs else ""]
    rows += [pace.strip(), *doing, files(view)]
    return "\n".join(text.clip(row, width) for row in rows if row)


def details(view: RunView, width: int = 1000, name: str = "") -> str:
    """What it is doing besides steps, epoch, loss and rates: as much as fits whole."""
    parts: list[text.Part] = []
    busy = phase(view)
    if busy and _share_of_phase(view) is None:  # the head has it, with a bar
        parts.append((0, busy))
    if view.epochs:
        parts.append((2, _epoch(view)))
    if view.loss is not None or not view.finite:
        parts.append((1, f"loss {text.loss(view.loss, view.finite)}"))
        mean = view.losses.last_mean(50)
        if mean is not None:
            parts.append((3, f"mean {text.loss(mean)}"))
    if view.validation_loss is not None:
        parts.append((1, f"validation {text.loss(view.validation_loss)}"))
    rates = [(text.clip(text.plain(name), 16), rate) for name, rate in sorted(view.rates.items())]
    parts += [(4, f"rate {name} {rate:.3g}") for name, rate in rates[:2]]
    if view.images_per_second is not None:
        parts.append((6, f"{view.images_per_second:.3g} images/s"))
    if view.gradient_norm is not None:
        parts.append((5, f"gradient {view.gradient_norm:.2g}"))
    if view.images:
        parts.append((7, f"{text.number(view.images, 'picture')} an epoch"))
    before = f"{name}: " if name and parts else name
    return text.clip(before + text.fitting(parts, width - len(before), f" {glyphs().between} "), width)


_EPOCH_BAR = 8


def _epoch(view: RunView) -> str:
    """``epoch 3/10 ███░░░░░``: which one, and how far it is."""
    if not view.epoch or not view.epochs:
        return text.number(view.epochs or 0, "epoch")
    words = f"epoch {view.epoch}/{view.epochs}"
    if not view.total_steps or view.epochs == 1 or view.state in ENDED:
        return words
    length = view.total_steps / view.epochs
    done = min(1.0, max(0.0, view.step / length - (view.epoch - 1)))
    full = int(done * _EPOCH_BAR)
    return f"{words} {glyphs().bar_full * full}{glyphs().bar_rest * (_EPOCH_BAR - full)}"


def phase(view: RunView) -> str:
    """What the trainer is busy with, when that is not steps; empty once it has ended."""
    if view.state in ENDED:
        return ""
    if view.state == "queued":
        return "waiting for its turn"
    words = _PHASES.get(view.phase.name, "")
    if view.phase.name == "starting" and view.step:
        return ""
    if not words:
        return "" if view.step else "waiting for the first step"
    if (view.phase.name, view.phase.detail) in _OWN_WORDS:
        words, detail = _OWN_WORDS[view.phase.name, view.phase.detail], ""
    elif view.phase.detail.startswith("downloading "):
        done = f" {view.phase.done}%" if view.phase.done is not None else ""
        return f"{text.clip(text.plain(view.phase.detail), 50)}{done}"
    else:
        detail = text.clip(text.plain(view.phase.detail), 40)
    if view.phase.done is not None and view.phase.total:
        return f"{words} {view.phase.done:,}/{view.phase.total:,} {detail}".rstrip()
    return f"{words}: {detail}" if detail else words


def nothing_drawn(view: RunView) -> str:
    """What stands in the chart's place before there is a loss."""
    if not view.finite:
        return "the loss is not a number (NaN): there is nothing to draw"
    if view.state in ENDED:
        return "it ended before its first step" if not view.step else "no loss was told"
    return "no loss yet"


def nothing_saved(view: RunView) -> str:
    """Why ``v`` opens nothing."""
    if view.state in ENDED:
        return "this run saved no LoRA file"
    return "no LoRA file is saved yet: v opens them once there are some"


def nothing_drawn_yet(view: RunView) -> str:
    """Why ``i`` opens nothing."""
    if view.state in ENDED:
        return "this run drew no sample picture"
    return "no sample picture is drawn yet: i shows them once there are some"


def files(view: RunView) -> str:
    """How much has been saved."""
    return f" {glyphs().between} ".join((f"saved {len(view.checkpoints)}", f"samples {len(view.samples)}"))


def news(old: RunView, new: RunView) -> list[str]:
    """What has happened between two views besides steps, as lines of the log."""
    lines = []
    if new.epoch and new.epoch != old.epoch and new.epochs:
        lines.append(f"epoch {new.epoch}/{new.epochs}")
    drawn, saved = new.samples[len(old.samples) :], new.checkpoints[len(old.checkpoints) :]
    lines += [f"sample at step {item.step:,}: {text.plain(Path(item.path).name)}" for item in drawn]
    lines += [f"saved at step {item.step:,}: {text.plain(Path(item.path).name)}" for item in saved]
    fresh = new.messages_seen - old.messages_seen
    said = new.messages[-fresh:] if fresh > 0 else ()
    return [*lines, *(f"{item.level}: {text.plain(item.text)}" for item in said)]


def absolute(path: str, folder: Path) -> Path:
    """Events name files relative to the run's folder."""
    return folder / path


def ready_rows(view: RunView) -> tuple[str, ...]:
    """The newest checkpoints and samples, newest first, for the panel at the side."""
    checkpoints = [f"step {item.step:,}{'  final' if item.final else ''}" for item in view.checkpoints]
    by_step: dict[int, int] = {}
    for item in view.samples:
        by_step[item.step] = by_step.get(item.step, 0) + 1
    samples = [f"step {step:,}   {text.number(count, 'picture')}" for step, count in by_step.items()]
    none = "  none" if view.state in ENDED else "  none yet"
    rows = [f"checkpoints  {len(view.checkpoints)}"]
    rows += [f"  {row}" for row in reversed(checkpoints[-3:])] or [none]
    rows.append(f"samples  {len(view.samples)}")
    rows += [f"  {row}" for row in reversed(samples[-3:])] or [none]
    rows.append("p paths")
    return tuple(rows)
