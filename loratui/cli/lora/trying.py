"""``loratui lora try`` and ``loratui lora proof``: a model run with a finished LoRA."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from loratui.atomic import ensure_writable
from loratui.builtin import lora_request
from loratui.builtin.support import FAMILIES as DRAWN
from loratui.cli.lora.process import Narrator, ask, require_trainer
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.engines import config
from loratui.families import FAMILIES
from loratui.formats.tensorfile import read_header
from loratui.lora.files.base import Base, read_base
from loratui.lora.files.metadata import training_of
from loratui.lora.files.placing import place
from loratui.models.inspect import ModelFile, require_base
from loratui.problems import Problem, UserError, refusal
from loratui.recipe import Recipe
from loratui.runs import store
from loratui.runs.follow import RunFollower

_Some = TypeVar("_Some")
_PROOF_PACKAGES = ("diffusers", "transformers", "peft")
_PATH = click.Path(path_type=Path)
_STRENGTHS = (0.0, 0.5, 1.0)
_STEPS, _SCALE, _SEED = 20, 7.0, 42
_SIDES = range(64, 4097, 8)
_WAY_OUT = "Choose another place with -o."


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What a run knows already."""

    loras: tuple[Path, ...] = ()
    base: Path | None = None
    prompts: tuple[str, ...] = ()
    negative: str = ""
    seed: int = _SEED
    steps: int = _STEPS
    scale: float = _SCALE
    size: tuple[int, int] | None = None
    clip_skip: int | None = None


@click.command(name="try")
@click.argument("loras", metavar="[LORA]...", nargs=-1, type=_PATH)
@click.option("--base", type=_PATH, metavar="MODEL", help="The base model: a file or a diffusers folder.")
@click.option(
    "--run", "run_name", metavar="RUN", help="Its checkpoints, oldest first, its base model, its prompts."
)
@click.option("--prompt", "prompts", multiple=True, help="What to draw; several are drawn side by side.")
@click.option("--negative", help="What to keep out of the pictures.")
@click.option("--seed", "seeds", multiple=True, type=click.IntRange(0, 2**63 - 1), help="42 by default.")
@click.option(
    "--strength", "strengths", multiple=True, type=float, help="0, 0.5 and 1 by default; 0 is without."
)
@click.option("--steps", type=click.IntRange(1, 1000), help="Of the sampler; 20 by default.")
@click.option("--scale", type=click.FloatRange(0, 100), help="Guidance; 7 by default, 1 is none.")
@click.option("--size", metavar="WxH", help="Pixels; what the family was trained on by default.")
@click.option("--clip-skip", type=click.IntRange(1, 12), help="As it was trained with, by default.")
@click.option("-o", "--out", type=_PATH, required=True, metavar="SHEET.png", help="Must not exist.")
@json_option
def try_(
    loras: tuple[Path, ...],
    base: Path | None,
    run_name: str | None,
    prompts: tuple[str, ...],
    negative: str | None,
    seeds: tuple[int, ...],
    strengths: tuple[float, ...],
    steps: int | None,
    scale: float | None,
    size: str | None,
    clip_skip: int | None,
    out: Path,
    as_json: bool,
) -> None:
    """Pictures with and without each LORA on one contact sheet, to choose the epoch by eye.

    \b
    loratui lora try --run hero -o hero.png
    loratui lora try hero-*.safetensors --base base.safetensors --prompt "ohwx, smiling" -o hero.png

    A row for each LoRA; columns by prompt, seed and strength. The single pictures go into a folder beside
    the sheet. Exit code 1 when it was stopped early; the sheet then shows what there is.
    """
    started = time.monotonic()
    known = _of_run(run_name) if run_name is not None else _Defaults()
    chosen, model = loras or known.loras, base or known.base
    if not chosen:
        raise click.UsageError("Name at least one LORA, or a run with --run.")
    if model is None:
        raise click.UsageError("Name the base model with --base, or a run with --run.")
    if not all(math.isfinite(strength) for strength in strengths):
        raise click.UsageError("--strength takes a number like 0.8.")
    pictures = _places(out)
    placed, found = _placed(chosen, model)
    texts = prompts or known.prompts or _trigger(chosen[0])
    if not texts:
        raise click.UsageError('Say what to draw: --prompt "trigger word, what it does".')
    side = FAMILIES[found.family or "sd15"].resolution
    require_trainer()
    ensure_writable(out.absolute().parent, _WAY_OUT)

    def request(answer: str) -> lora_request.SheetRequest:
        return lora_request.SheetRequest(
            base=str(model.absolute()),
            family=found.family or "",
            loras=placed,
            prompts=_unlike(texts),
            seeds=_unlike(seeds or (known.seed,)),
            strengths=_unlike(strengths or _STRENGTHS),
            size=_size(size) if size else known.size or (side, side),
            steps=steps or known.steps,
            scale=known.scale if scale is None else scale,
            sheet=str(out.absolute()),
            pictures=str(pictures),
            answer=answer,
            negative=known.negative if negative is None else negative,
            clip_skip=clip_skip or known.clip_skip or _clip_skip(chosen[0]),
            v_parameterization=found.prediction == "v",
            zero_terminal_snr=found.zero_terminal_snr is True,
        )

    _announce(request(""))
    answer = ask("contact_sheet", request, lora_request.SheetAnswer, Narrator())
    if as_json:
        values: dict[str, Any] = msgspec.to_builtins(answer)
        values |= {
            "sheet": str(out.absolute()) if answer.pictures else None,
            "seconds": round(time.monotonic() - started, 3),
        }
        print_json(values)
    elif answer.pictures:
        data(str(out))
    if not answer.complete:
        say("Stopped early; the sheet shows what there is." if answer.pictures else "Stopped early.")
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("file", metavar="LORA", type=_PATH)
@click.option("--base", type=_PATH, required=True, metavar="MODEL", help="The base model to load it on.")
@json_option
def proof(file: Path, base: Path, as_json: bool) -> None:
    """Prove that diffusers loads the LORA and draws with it what we do.

    Loads it with load_lora_weights on Stable Diffusion or SDXL, in a process of its own, and compares the
    U-Net's answers. Exit code 1 when they differ, or nothing changes.
    """
    placed, found = _placed([file], base)
    require_trainer()
    missing = [name for name in _PROOF_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        message = (
            f"this asks diffusers itself, which loads LoRA files through peft; missing: {', '.join(missing)}."
        )
        raise UserError("", Problem("", message, 'pip install "loratui[proof]"'))
    answer = ask(
        "proof",
        lambda path: lora_request.ProofRequest(str(base.absolute()), found.family or "", placed[0], path),
        lora_request.ProofAnswer,
        Narrator(),
    )
    folder = str(file.absolute().parent)
    ok = not answer.problems
    if as_json:
        values: dict[str, Any] = {"ok": ok, **msgspec.to_builtins(answer)}
        print_json(values | {"offline_lora": folder, "offline_lora_filename": file.name})
    elif ok:
        data(f"ok: {answer.modules} modules; differs from our own forward by {answer.max_error:.1g}")
        data(f"offline_lora = {_quoted(folder)}")
        data(f"offline_lora_filename = {_quoted(file.name)}")
    for problem in answer.problems:
        say(f"{file}: {problem}")
    raise click.exceptions.Exit(0 if ok else 1)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _placed(loras: Sequence[Path], model: Path) -> tuple[tuple[lora_request.LoraFile, ...], ModelFile]:
    """Everything that can be wrong with the files, before anything is loaded."""
    found = require_base(model)
    if found.family not in DRAWN:
        title = FAMILIES[found.family].title if found.family in FAMILIES else str(found.family)
        raise refusal(model, f"{title} is not drawn here.", "Choose a Stable Diffusion 1.x or SDXL model.")
    base: Base = read_base(model, found.family)
    return tuple(place(path, base) for path in loras), found


def _places(out: Path) -> Path:
    """The folder for the pictures of a sheet. Raises ``UserError`` when something is there already."""
    if out.suffix.lower() != ".png":
        raise refusal(out, "the contact sheet is a .png file.", "Add that to the name.")
    pictures = out.absolute().with_name(f"{out.stem}-pictures")
    for path in (out, pictures):
        if os.path.lexists(path):
            raise refusal(path, "this is there already and is not written over.", _WAY_OUT)
    return pictures


def _of_run(name: str) -> _Defaults:
    run = store.find(name)
    recipe = config.load(run.recipe)
    samples, resolution = recipe.samples, recipe.training.resolution
    saved = [point for point in RunFollower(run).poll().checkpoints if Path(point.path).is_file()]
    by_step = {point.step: Path(point.path) for point in saved}  # the final file is the last epoch's again
    if not by_step:
        raise UserError(
            "", Problem("", f"no checkpoint of {run.id} is on disk.", "Name the files themselves.")
        )
    return _Defaults(
        loras=tuple(by_step[step] for step in sorted(by_step)),
        base=Path(recipe.base.model),
        prompts=samples.prompts or _words(recipe),
        negative=samples.negative,
        seed=samples.seed,
        steps=samples.steps,
        scale=samples.scale,
        size=_whole(samples.width or resolution[0], samples.height or resolution[1]),
        clip_skip=recipe.training.clip_skip,
    )


def _words(recipe: Recipe) -> tuple[str, ...]:
    return (recipe.dataset.trigger,) if recipe.dataset.trigger else ()


def _trigger(path: Path) -> tuple[str, ...]:
    trigger = training_of(read_header(path).metadata).settings.get("trigger", "")
    return (trigger[:300],) if trigger else ()


def _clip_skip(path: Path) -> int | None:
    text = training_of(read_header(path).metadata).settings.get("clip_skip", "")
    return int(text) if re.fullmatch(r"[1-9]|1[012]", text) else None


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{2,4})\s*[xX×]\s*(\d{2,4})", text.strip())
    if not found:
        raise click.UsageError(f"--size {text!r}: write it like 512x768.")
    width, height = int(found[1]), int(found[2])
    if width not in _SIDES or height not in _SIDES:
        raise click.UsageError(f"--size {text!r}: both sides are multiples of 8 from 64 to 4096.")
    return width, height


def _whole(width: int, height: int) -> tuple[int, int]:
    return max(64, width - width % 8), max(64, height - height % 8)


def _unlike(values: Sequence[_Some]) -> tuple[_Some, ...]:
    return tuple(dict.fromkeys(values))


def _announce(request: lora_request.SheetRequest) -> None:
    across = len(request.prompts) * len(request.seeds)
    with_lora = len([strength for strength in request.strengths if strength]) * len(request.loras)
    count = across * (with_lora + (0.0 in request.strengths))
    what = ", ".join(
        f"{number} {word}{'' if number == 1 else 's'}"
        for number, word in (
            (len(request.loras), "LoRA"),
            (len(request.prompts), "prompt"),
            (len(request.seeds), "seed"),
        )
    )
    say(f"{count} pictures of {request.size[0]}x{request.size[1]}, {request.steps} steps each: {what}.")
