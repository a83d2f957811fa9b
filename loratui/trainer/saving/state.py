"""Folders to resume from: everything a training needs to go on as if it had never stopped."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from loratui.atomic import new_folder
from loratui.problems import UserError, refusal
from loratui.trainer.lora.lora_file import like
from loratui.trainer.lora.network import Network
from loratui.trainer.optimizing.scaling import Scaling

_AS_THEN = "Use the settings it was made with."


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training came. The first two names are sd-scripts' own (``train_state.json``)."""

    current_epoch: int
    """Epochs begun."""
    current_step: int
    """Optimizer steps done; also the state of the learning rate schedule."""
    seed: int
    """The seed in use, also where the config names none."""
    batches_per_epoch: int
    schedule_step: int
    """What the learning rate schedule counts; above ``current_step`` after a resume that started the
    count again."""
    losses: list[float] = field(default_factory=list)
    """Behind the average loss."""
    scaling: Scaling | None = None
    """The gradient scaler's; with fp16 alone."""


def save(folder: Path, network: Network, optimizer: Mapping[str, Any], progress: Progress) -> None:
    """Write a state folder whole; ``optimizer`` is its ``state_dict``. Raises ``UserError`` when the disk
    refuses."""
    from safetensors.torch import save_file

    with new_folder(folder) as temporary, _as_os_errors():
        tensors = {name: tensor.cpu().contiguous() for name, tensor in network.stored().items()}
        save_file(tensors, temporary / "lora.safetensors")
        torch.save(optimizer, temporary / "optimizer.pt")
        generators = {"cpu": torch.get_rng_state()}
        for number in range(torch.cuda.device_count()):
            generators[f"cuda{number}"] = torch.cuda.get_rng_state(number)
        save_file(generators, temporary / "torch_random.safetensors")
        (temporary / "random.json").write_text(json.dumps(_random_states()), encoding="utf-8")
        (temporary / "train_state.json").write_text(json.dumps(asdict(progress)), encoding="utf-8")


def read_progress(folder: Path) -> Progress:
    """How far the training of a state folder came. Raises ``UserError`` when it is not one of ours."""
    if not folder.is_dir():
        raise refusal(folder, "there is no such state folder.", "Check resume.", "net_weights_missing")
    if not (folder / "lora.safetensors").is_file():
        raise refusal(
            folder,
            "this is no state of the builtin trainer.",
            'States of sd-scripts go on with engine = "kohya".',
        )
    try:
        found = json.loads((folder / "train_state.json").read_text(encoding="utf-8"))
        scaling = found.pop("scaling", None)
        return Progress(**found, scaling=Scaling(**scaling) if scaling else None)
    except (OSError, ValueError, TypeError, AttributeError):
        raise _damaged(folder) from None


def load(folder: Path, network: Network, optimizer: torch.optim.Optimizer) -> None:
    """Put weights, optimizer and random generators back. Opens no pickled code.

    Raises ``UserError`` when a file is damaged or was made with another network or optimizer.
    """
    from safetensors.torch import load_file

    try:
        tensors = load_file(folder / "lora.safetensors")
        generators = load_file(folder / "torch_random.safetensors")
        states = json.loads((folder / "random.json").read_text(encoding="utf-8"))
        saved = torch.load(folder / "optimizer.pt", map_location="cpu", weights_only=True)
    except Exception:  # each library has its own idea of what a broken file raises
        raise _damaged(folder) from None
    own = network.stored()
    shapes = {key: tensor.dim() for key, tensor in tensors.items()}
    tensors = {key: like(own.get(key), tensor) for key, tensor in tensors.items()}
    if tensors.keys() != own.keys() or any(tensors[key].shape != own[key].shape for key in own):
        raise refusal(
            folder,
            "this state belongs to a network of another size or other parts.",
            _AS_THEN,
            "state_mismatch",
        )
    if any(shapes[key] != tensor.dim() for key, tensor in tensors.items()):
        _turn(folder, optimizer, saved)
    try:
        # A fresh optimizer's settings are all known to its own kind; used ones may know more.
        pairs = zip(optimizer.param_groups, saved["param_groups"], strict=True)
        same = all(own_group.keys() <= group.keys() for own_group, group in pairs)
        if not same:
            raise ValueError
        optimizer.load_state_dict(saved)
    except (ValueError, KeyError, TypeError):
        message = "this state belongs to another optimizer."
        raise refusal(folder, message, _AS_THEN, "state_mismatch") from None
    with torch.no_grad():
        for key, tensor in own.items():
            tensor.copy_(tensors[key])
    torch.set_rng_state(generators["cpu"])
    for number in range(torch.cuda.device_count()):
        if f"cuda{number}" in generators:
            torch.cuda.set_rng_state(generators[f"cuda{number}"], number)
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), position, has_gauss, cached))


def _turn(folder: Path, optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Bring what an optimizer knew of matrices into the shape of kernels, or the other way round: SD 2.x has
    either (``single_file.with_kernels``). Raises ``UserError`` where it knew them by rows and columns."""
    states = saved["state"]
    if any(str(key).endswith(("_row", "_col")) for known in states.values() for key in known):
        raise refusal(
            folder,
            "in this state proj_in and proj_out are of another shape than in the model (SD 2.x: matrices of a"
            f" diffusers folder, kernels of a single file), and {type(optimizer).__name__} depends on it.",
            "Start from its LoRA file with network_weights.",
            "state_mismatch",
        )
    weights = (weight for group in optimizer.param_groups for weight in group["params"])
    numbers = (number for group in saved["param_groups"] for number in group["params"])
    for weight, number in zip(weights, numbers, strict=False):
        for key, value in states.get(number, {}).items():
            if isinstance(value, torch.Tensor):
                states[number][key] = like(weight, value)


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """torch and safetensors have errors of their own for a full disk."""
    from safetensors import SafetensorError

    try:
        yield
    except (RuntimeError, SafetensorError) as error:
        raise OSError(str(error).splitlines()[0]) from error


def _random_states() -> dict[str, object]:
    state = np.random.get_state(legacy=True)
    assert isinstance(state, tuple)
    name, keys, *rest = state
    return {"python": random.getstate(), "numpy": [name, [int(key) for key in keys], *rest]}


def _damaged(folder: Path) -> UserError:
    return refusal(folder, "this state is damaged or not whole.", "Resume from another state folder.")
