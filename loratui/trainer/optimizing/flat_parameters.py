"""The many small weights of a LoRA as a few large ones, as long as an optimizer moves them.

Optimizers in Python walk over hundreds of tensors with a dozen kernels for each, and some ask their device
for two numbers besides. Where all they do goes element by element, or sums over all elements, the same comes
of one tensor that all weights are parts of. States leave as those of single weights and come back as such.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from loratui.trainer.stacks import most_elements

State = Mapping[str, Any]
"""What an optimizer knows of one weight."""

_SMALL = 1 << 16
"""Elements over which a norm in float32 is exact to some 1e-6."""


@dataclass(frozen=True, slots=True)
class Joinable:
    """Which weights an optimizer treats alike, however they are cut."""

    block: int = 1
    """Elements that share a number, as those of a state in 8 bit share their scale; weights have whole
    blocks."""
    least: int = 0
    """Elements: smaller weights are treated otherwise."""

    def takes(self, weight: Tensor) -> bool:
        """Whether a weight may be joined with others."""
        return weight.dim() > 1 and weight.numel() >= self.least and not weight.numel() % self.block


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Weights that are parts of one."""

    flat: nn.Parameter
    """[1,n]: not [n], so that what an optimizer keeps in the weight's own shape can be told from what it
    keeps as a row."""
    weights: Sequence[nn.Parameter]
    sizes: Sequence[int]
    block: int

    @staticmethod
    def of(weights: Sequence[nn.Parameter], block: int) -> _Joined:
        """They become views of it."""
        sizes = [weight.numel() for weight in weights]
        flat = nn.Parameter(torch.cat([weight.detach().reshape(1, -1) for weight in weights], 1))
        for weight, part in zip(weights, torch.split(flat.detach(), sizes, 1), strict=True):
            weight.data = part.view(weight.shape)
        return _Joined(flat, weights, sizes, block)

    def gather(self) -> None:
        """Move the gradients of the parts to the whole."""
        gradients = [weight.grad.flatten() for weight in self.weights if weight.grad is not None]
        self.flat.grad = torch.cat(gradients)[None]
        for weight in self.weights:
            weight.grad = None

    def join(self, states: Mapping[Tensor, State]) -> dict[str, Any]:
        """What is known of the whole, from what is known of its parts (all of one ``_form``)."""
        found = {}
        for key, value in states[self.weights[0]].items():
            values = [states[weight][key] for weight in self.weights]
            match _shape(value, self.weights[0], self.block):
                case "weight":
                    found[key] = torch.cat([value.reshape(1, -1) for value in values], 1)
                case "row" | "blocks":
                    found[key] = torch.cat(values)
                case _:
                    found[key] = value
        return found

    def cut(self, state: State) -> Iterator[dict[str, Any]]:
        """What is known of each part."""
        shapes = {key: _shape(value, self.flat, self.block) for key, value in state.items()}
        for weight, size, end in zip(self.weights, self.sizes, accumulate(self.sizes), strict=True):
            own = dict(state)
            for key, shape in shapes.items():
                if shape == "weight":
                    own[key] = state[key][0, end - size : end].view(weight.shape)
                elif shape == "row":
                    own[key] = state[key][end - size : end]
                elif shape == "blocks":
                    own[key] = state[key][(end - size) // self.block : end // self.block]
            yield own


def norm_of(weights: Sequence[nn.Parameter]) -> Tensor:
    """[] float64: of all their gradients. In float32 a norm over millions of elements is off by 4e-4 on a
    CPU; small ones are exact enough, and many are quicker together."""
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    small = [gradient for gradient in gradients if gradient.numel() <= _SMALL]
    norms = [
        torch.linalg.vector_norm(gradient, dtype=torch.float64)
        for gradient in gradients
        if gradient.numel() > _SMALL
    ]
    if small:
        norms.append(nn.utils.get_total_norm(small, foreach=True).double())
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())


class Flat:
    """An optimizer whose weights are joined from its first step on. Weights without a gradient in that step
    stay by themselves, as optimizers pass them over; where one of the others is without a gradient later,
    all are single weights again, for good."""

    def __init__(self, optimizer: torch.optim.Optimizer, joinable: Joinable) -> None:
        self._optimizer = optimizer
        self._joinable = joinable
        self._singles: list[list[nn.Parameter]] = [list(group["params"]) for group in optimizer.param_groups]
        # As they are now, not once a state is back: a training that goes on is to join as the first one did.
        self._zero = {weight for weights in self._singles for weight in weights if not weight.any()}
        self._joined: list[_Joined] = []
        self._begun = False

    def gathered(self) -> list[nn.Parameter]:
        """What the optimizer moves in this step, with its gradients. Call it once before the step."""
        if not self._begun:
            self._begun = True
            self._join()
        elif any(weight.grad is None for joined in self._joined for weight in joined.weights):
            self._part()
        for joined in self._joined:
            joined.gather()
        weights = (weight for group in self._optimizer.param_groups for weight in group["params"])
        return [weight for weight in weights if weight.grad is not None]

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's, as if its weights were single ones; copies, on the CPU."""
        optimizer, groups = self._optimizer, self._optimizer.param_groups
        kept = optimizer.state, [group["params"] for group in groups]
        try:
            self._show_singles()
            found = optimizer.state_dict()
        finally:
            optimizer.state = kept[0]
            for group, weights in zip(groups, kept[1], strict=True):
                group["params"] = weights
        copies: dict[int, Tensor] = {}
        return found | {
            "state": {key: _copied(state, copies) for key, state in sorted(found["state"].items())}
        }

    def _join(self) -> None:
        state, joinable = self._optimizer.state, self._joinable
        for group, singles in zip(self._optimizer.param_groups, self._singles, strict=True):
            alike: dict[object, list[nn.Parameter]] = defaultdict(list)
            for weight in singles:
                if weight.grad is not None and joinable.takes(weight):
                    known = _form(state[weight], weight, joinable.block) if weight in state else ()
                    alike[weight.dtype, weight.device, weight in self._zero, known].append(weight)
            parts = (part for weights in alike.values() for part in _parts(weights))
            whole = [_Joined.of(part, joinable.block) for part in parts]
            for joined in whole:
                if joined.weights[0] in state:
                    state[joined.flat] = joined.join(state)
                for weight in joined.weights:
                    state.pop(weight, None)
            self._joined += whole
            inside = {weight for joined in whole for weight in joined.weights}
            group["params"] = [joined.flat for joined in whole]
            group["params"] += [weight for weight in singles if weight not in inside]

    def _show_singles(self) -> None:
        """Their states are views."""
        optimizer = self._optimizer
        flats: dict[Tensor, _Joined] = {joined.flat: joined for joined in self._joined}
        state: defaultdict[Tensor, Any] = defaultdict(dict)
        for weight, own in optimizer.state.items():
            if weight in flats:
                state.update(zip(flats[weight].weights, flats[weight].cut(own), strict=True))
            else:
                state[weight] = own
        optimizer.state = state
        for group, singles in zip(optimizer.param_groups, self._singles, strict=True):
            group["params"] = singles

    def _part(self) -> None:
        self._show_singles()
        for joined in self._joined:
            for weight in joined.weights:
                own = self._optimizer.state.get(weight, {})
                own |= {key: value.clone() for key, value in own.items() if isinstance(value, Tensor)}
        self._joined = []


def _parts(weights: Iterable[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """As many as make a large tensor of the right size; one alone needs no joining."""
    part: list[nn.Parameter] = []
    size = 0
    for weight in weights:
        if part and size + weight.numel() > most_elements(weight.device):
            if len(part) > 1:
                yield part
            part, size = [], 0
        part.append(weight)
        size += weight.numel()
    if len(part) > 1:
        yield part


def _shape(value: Any, weight: Tensor, block: int) -> str:
    """What an optimizer keeps for each element of a weight, in its shape or as a row, or for each block;
    empty for anything else."""
    if not isinstance(value, Tensor):
        return ""
    if value.shape == weight.shape:
        return "weight"
    if value.shape == (weight.numel(),):
        return "row"
    return "blocks" if block > 1 and value.shape == (weight.numel() // block,) else ""


def _form(state: State, weight: Tensor, block: int) -> tuple[object, ...]:
    """What has to be the same of two weights for one tensor to stand for both: all but their elements."""
    form: list[object] = []
    for key, value in state.items():
        shape = _shape(value, weight, block)
        if isinstance(value, Tensor):
            form.append((key, shape or tuple(value.flatten().tolist()), value.dtype))
        else:
            form.append((key, repr(value)))
    return tuple(form)


def _copied(state: State, copies: dict[int, Tensor]) -> dict[str, Any]:
    """On the CPU; tables that all share are shared again."""
    found: dict[str, Any] = {}
    for key, value in state.items():
        if isinstance(value, Mapping):
            found[key] = _copied(value, copies)
        elif isinstance(value, Tensor) and value.dim():
            found[key] = copies.setdefault(id(value), value.to("cpu", copy=True))
        else:
            found[key] = value.to("cpu", copy=True) if isinstance(value, Tensor) else value
    return found
