"""Replay optimizer steps recorded from sd-scripts, and say how far this trainer is from them.

``python -m loratui.trainer.golden DIR [--json]`` replays every configuration below DIR, beside which the
folder ``common`` lies. Each starts from the recorded weights and is fed the recorded latents, noise and
timesteps; everything else is the trainer's own: text encoding, schedules, loss, clipping, optimizer.

Errors are the largest relative ones of a whole run; ``weights`` is the L2 error of the final LoRA divided
by its change. Exit codes: 0 within the limits, 1 not, 2 nothing to replay.

SDXL: sd-scripts loads the text projection of a single file unturned (``single_file.open_clip_weights``);
training does not follow it there, the replay does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import torch

from loratui.problems import UserError, refusal
from loratui.trainer.assembly import network_on, stepper_for, trained_rates
from loratui.trainer.base.base_precision import DTYPES, pack_unet
from loratui.trainer.base.base_weights import merge_base_weights
from loratui.trainer.base.loading import BaseModel, load
from loratui.trainer.captions.text import encode_tokens
from loratui.trainer.loop import preserved
from loratui.trainer.lora import lora_file
from loratui.trainer.optimizing import optimizers
from loratui.trainer.pictures.data import Item, size_conditions
from loratui.trainer.pictures.latents import in_latent_size
from loratui.trainer.replay.recorded_order import captions_follow, items_by_name, order_follows, tokens_of
from loratui.trainer.replay.recording import Recording, change_error, find, read, relative_error
from loratui.trainer.schedule import plan
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.options import Options, packs_unet
from loratui.trainer.stepping import Fed, NotFiniteError, Stepped

LIMITS = {"loss": 1e-5, "grad_norm": 1e-5, "lr": 1e-5, "weights": 5e-4}
_CPU = torch.device("cpu")


@dataclass(frozen=True, slots=True)
class Replayed:
    """How one configuration came out."""

    name: str
    loss: float
    grad_norm: float
    lr: float
    weights: float
    captions_equal: bool
    order_equal: bool

    @property
    def within(self) -> bool:
        """Whether it is as good as equal."""
        # Written so that NaN is not within.
        errors = all(getattr(self, key) <= limit for key, limit in LIMITS.items())
        return errors and self.captions_equal and self.order_equal


def replay(recording: Recording) -> Replayed:
    """Run one recorded training again. Raises ``UserError`` when its files do not fit."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    config = _as_sd_scripts(recording)
    options = Options(as_sd_scripts=True)
    model = load(
        Path(config.pretrained_model_name_or_path),
        config.family,
        DTYPES[config.mixed_precision],
        projection_as_stored=True,
        as_stored=["unet"],
    )
    merge_base_weights(config, model, None if packs_unet(config, options) else DTYPES[config.mixed_precision])
    pack_unet(config, options, model.unet, _CPU)
    items = items_by_name(recording)
    order_equal = order_follows(recording, items)
    captions_equal = captions_follow(recording, items, model)
    network = network_on(config, model, _CPU)
    if remarks := lora_file.load_into(network, recording.start_weights):
        message = f"its start weights do not fit: {' '.join(remarks)}"
        raise refusal(recording.folder, message, "Copy it again.")
    if config.full_bf16 or config.full_fp16:
        network.cast(DTYPES[config.mixed_precision])
    start = {name: tensor.clone() for name, tensor in network.tensors().items()}
    AcceleratorState._reset_state()  # each recording has a precision of its own
    accelerator = Accelerator(mixed_precision=config.mixed_precision, cpu=True)
    per_epoch = len(recording.facts["batches_before_shuffle"])
    totals = plan(
        per_epoch, config.gradient_accumulation_steps, config.max_train_steps, config.max_train_epochs
    )
    stepper = stepper_for(
        config, optimizers.choose(config), accelerator, model.unet, network, totals.total_steps
    )
    errors: dict[str, list[float]] = {"loss": [], "grad_norm": [], "lr": []}
    numbers = range(len(recording.passes))
    chunks = [
        chunk for first in numbers[::per_epoch] for chunk in totals.chunks(numbers[first : first + per_epoch])
    ]
    if len(chunks) != len(recording.steps):
        raise refusal(recording.folder, "it has more or fewer steps than its config.", "Copy it again.")
    for done, (chunk, wanted) in enumerate(zip(chunks, recording.steps, strict=True)):
        found = stepper.step(done, [partial(_fed, recording, model, items, number) for number in chunk])
        for key, error in _errors(recording, stepper.groups, found, chunk, wanted).items():
            errors[key].append(error)
    from safetensors.torch import load_file

    final = load_file(recording.folder / "final_lora.safetensors")
    with optimizers.averaged(stepper.optimizer):
        weights = change_error(network.tensors(), final, start)
    return Replayed(
        recording.folder.name,
        max(errors["loss"]),
        max(errors["grad_norm"]),
        max(errors["lr"]),
        weights,
        captions_equal,
        order_equal,
    )


def _as_sd_scripts(recording: Recording) -> TrainConfig:
    """The config with the weights it started from, and one rate for both text encoders of SDXL: of a list
    networks.lora takes the first without a word (train_network.py:706-712)."""
    config = recording.config
    config = replace(config, network_weights=str(recording.start_weights))
    given = config.text_encoder_lr
    return replace(config, text_encoder_lr=given[0]) if isinstance(given, list) and given else config


def _replay_or_say_why(folder: Path, common: Path) -> Replayed:
    try:
        return replay(read(folder, common))
    except UserError as error:
        print(error, file=sys.stderr)
    except NotFiniteError:
        print(f"{folder}: the loss is no number.", file=sys.stderr)
    except Exception as error:  # one recording that is not as it should be leaves the others their turn
        print(f"{folder}: it cannot be replayed ({type(error).__name__}: {error}).", file=sys.stderr)
    none = float("inf")
    return Replayed(folder.name, none, none, none, none, captions_equal=False, order_equal=False)


def _fed(recording: Recording, model: BaseModel, items: dict[str, Item], number: int) -> Fed:
    """One forward pass as recorded; conditions, sizes and weights are worked out here."""
    config, entry = recording.config, recording.passes[number]
    text_trained = any(name != "unet" for name in trained_rates(config))
    with nullcontext() if text_trained else torch.no_grad():
        condition = encode_tokens(model, tokens_of(recording, model, number), config.clip_skip)
    shown = [items[image] for image in entry["images"]]
    sizes = [
        size_conditions(item, flipped=flipped) for item, flipped in zip(shown, entry["flipped"], strict=True)
    ]
    latents = recording.tensor(number, "latents")
    mask = recording.tensors.get(f"micro.{number:03d}.alpha_masks") if config.masked_loss else None
    drawn = recording.tensors.get(f"micro.{number:03d}.rng")
    if drawn is not None:
        torch.set_rng_state(drawn)  # what dropout leaves out
    return Fed(
        latents,
        recording.tensor(number, "noise"),
        recording.tensor(number, "timesteps"),
        condition,
        torch.tensor(sizes, dtype=torch.float32),
        torch.tensor([item.weight for item in shown], dtype=torch.float32),
        recording.tensor(number, "noisy_latents") if config.ip_noise_gamma else None,
        None if mask is None else in_latent_size(mask[:, None], latents.shape[2:]),
        preserved([item.subset.preserves for item in shown], _CPU),
    )


def _errors(
    recording: Recording,
    names: Sequence[str],
    found: Stepped,
    chunk: Sequence[int],
    wanted: dict[str, object],
) -> dict[str, float]:
    losses = [float(recording.tensor(number, "loss")) for number in chunk]
    groups = wanted["groups"]
    assert isinstance(groups, list)
    pairs = zip(found.losses, losses, strict=True)
    # sd-scripts has one group for all text encoders, and here each has its own.
    own: dict[str, float] = {}
    for name, rate in zip(names, found.rates, strict=True):
        own.setdefault(name.replace("text_encoder_2", "text_encoder"), rate)
    rates = zip(own.values(), (group["lr"] for group in groups), strict=True)
    norm = wanted["grad_norm_before_clip"]
    # A step that ends with another pass than recorded is no equal step, whatever its numbers. Without
    # clipping no norm is recorded; the weights tell.
    if wanted["after_micro"] != chunk[-1]:
        error = float("inf")
    else:
        error = 0.0 if norm is None else relative_error(found.norm, float(str(norm)))
    return {
        "loss": max(relative_error(mine, theirs) for mine, theirs in pairs),
        "grad_norm": error,
        "lr": max(relative_error(mine, theirs) for mine, theirs in rates),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m loratui.trainer.golden", description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of recorded configurations")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    # As the recordings were made: sums in another order are other sums.
    torch.set_num_threads(1)
    folder: Path = options.folder.absolute()
    results = []
    try:
        for configuration in find(folder):
            with redirect_stdout(sys.stderr):  # some optimizers print
                results.append(_replay_or_say_why(configuration, folder.parent / "common"))
            if not options.json:
                print(_line(results[-1]), flush=True)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if options.json:
        rows = [asdict(result) for result in results]
        print(json.dumps({"configurations": rows}, indent=1))
    return 0 if all(result.within for result in results) else 1


def _line(result: Replayed) -> str:
    errors = "  ".join(f"{key} {getattr(result, key):.1e}" for key in LIMITS)
    words = [f"captions {'equal' if result.captions_equal else 'DIFFER'}"]
    words += [f"order {'equal' if result.order_equal else 'DIFFERS'}"]
    return f"{'ok  ' if result.within else 'FAIL'} {result.name}: {errors}  {', '.join(words)}"


if __name__ == "__main__":
    sys.exit(main())
