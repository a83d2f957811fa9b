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

State = Mapping[str, Any]
"""What an optimizer knows of one weight."""

_MOST = {"cpu": 1 << 18}
_MOST_ELSEWHERE = 1 << 24
"""Elements of one large tensor: on a CPU as many as its cache holds, and as a product there sums up exactly
enough in float32; elsewhere few kernels, with room for what an optimizer works out in between."""


@dataclass(frozen=True, slots=True, eq=False)
class _Joined:
    """Weights that are parts of one."""

    flat: nn.Parameter
    """[1,n]: not [n], so that what an optimizer keeps in the weight's own shape can be told from what it
    keeps as a row."""
    weights: Sequence[nn.Parameter]
    sizes: Sequence[int]

    @staticmethod
    def of(weights: Sequence[nn.Parameter]) -> _Joined:
        """They become views of it."""
        sizes = [weight.numel() for weight in weights]
        flat = nn.Parameter(torch.cat([weight.detach().reshape(1, -1) for weight in weights], 1))
        for weight, part in zip(weights, torch.split(flat.detach(), sizes, 1), strict=True):
            weight.data = part.view(weight.shape)
        return _Joined(flat, weights, sizes)

    def gather(self) -> None:
        """Move the gradients of the parts to the whole."""
        gradients = [weight.grad.flatten() for weight in self.weights if weight.grad is not None]
        self.flat.grad = torch.cat(gradients)[None]
        for weight in self.weights:
            weight.grad = None

    def join(self, states: Mapping[Tensor, State]) -> dict[str, Any]:
        """What is known of the whole, from what is known of its parts (all of one ``_form``)."""
        first, joined = states[self.weights[0]], {}
        for key, value in first.items():
            joined[key] = value
            values = [states[weight][key] for weight in self.weights]
            if _is(value, self.weights[0].shape):
                joined[key] = torch.cat([value.reshape(1, -1) for value in values], 1)
            elif _is(value, self.weights[0].flatten().shape):
                joined[key] = torch.cat(values)
        return joined

    def cut(self, state: State) -> Iterator[dict[str, Any]]:
        """What is known of each part."""
        ends = list(accumulate(self.sizes))
        for weight, size, end in zip(self.weights, self.sizes, ends, strict=True):
            own = {}
            for key, value in state.items():
                own[key] = value
                if _is(value, self.flat.shape):
                    own[key] = value[0, end - size : end].view(weight.shape)
                elif _is(value, self.flat.shape[1:]):
                    own[key] = value[end - size : end]
            yield own


def norm_of(weights: Sequence[nn.Parameter]) -> Tensor:
    """[] float64: of all their gradients. In float32 a norm over millions of elements is off by 4e-4 on a
    CPU."""
    norms = [
        torch.linalg.vector_norm(weight.grad, dtype=torch.float64)
        for weight in weights
        if weight.grad is not None
    ]
    return torch.linalg.vector_norm(torch.stack(norms)) if norms else torch.zeros(())


class Flat:
    """An optimizer whose weights are joined from its first step on. Weights without a gradient in that step
    stay by themselves, as optimizers pass them over; where one of the others is without a gradient later,
    all are single weights again, for good."""

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
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
        return found | {"state": {key: _copied(state) for key, state in sorted(found["state"].items())}}

    def _join(self) -> None:
        state = self._optimizer.state
        for group, singles in zip(self._optimizer.param_groups, self._singles, strict=True):
            alike: dict[object, list[nn.Parameter]] = defaultdict(list)
            for weight in singles:
                if weight.grad is not None and weight.dim() > 1:
                    known = _form(state[weight], weight) if weight in state else ()
                    alike[weight.dtype, weight.device, weight in self._zero, known].append(weight)
            whole = [_Joined.of(part) for weights in alike.values() for part in _parts(weights)]
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
        if part and size + weight.numel() > _MOST.get(weight.device.type, _MOST_ELSEWHERE):
            if len(part) > 1:
                yield part
            part, size = [], 0
        part.append(weight)
        size += weight.numel()
    if len(part) > 1:
        yield part


def _form(state: State, weight: Tensor) -> tuple[object, ...]:
    """What has to be the same of two weights for one tensor to stand for both: all but their elements."""
    form: list[object] = []
    for key, value in state.items():
        if _is(value, weight.shape):
            form.append((key, "weight", value.dtype))
        elif _is(value, weight.flatten().shape):
            form.append((key, "row", value.dtype))
        else:
            form.append((key, repr(value)))
    return tuple(form)


def _is(value: Any, shape: Sequence[int]) -> bool:
    return isinstance(value, Tensor) and value.shape == torch.Size(shape)


def _copied(state: State) -> dict[str, Any]:
    return {
        key: value.to("cpu", copy=True) if isinstance(value, Tensor) else value
        for key, value in state.items()
    }
