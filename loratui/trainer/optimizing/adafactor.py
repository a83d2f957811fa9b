"""transformers' Adafactor (arXiv:1804.04235), moving all weights of one shape together.

It is not element by element (a weight is clipped by its own root mean square, and known by its rows and
columns), so ``flat_parameters`` cannot join its weights; but of a LoRA's hundreds of weights most have the
same few shapes, and in a stack of such every weight is treated by itself just as well. Its own step starts
thirty kernels for each weight.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.optimization import Adafactor

from loratui.trainer.stacks import chunks

_KNOWN = ("exp_avg", "exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col")
_SMALL = 1 << 16
"""Elements over which a norm in float32 comes out the same by whatever kernel, to some 1e-6."""


@dataclass(frozen=True, slots=True, eq=False)
class _Stack:
    """Weights of one shape that have come equally far, and what is known of them: [n,...] each, of which
    the states of single weights are views."""

    weights: Sequence[nn.Parameter]
    known: dict[str, Tensor]


class StackedAdafactor(Adafactor):  # type: ignore[misc,unused-ignore]
    """The same steps, up to the order in which sums are taken; the same states."""

    _stacks: Sequence[Sequence[_Stack]] = ()
    """By parameter group."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._stacks = ()  # what was loaded are tensors of their own

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """One step of all weights that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        ready = [
            [weight for weight in group["params"] if weight.grad is not None] for group in self.param_groups
        ]
        stacked = [[weight for stack in stacks for weight in stack.weights] for stacks in self._stacks]
        if [set(map(id, one)) for one in ready] != [set(map(id, one)) for one in stacked]:
            pairs = zip(self.param_groups, ready, strict=True)
            self._stacks = [list(self._stacked(group, weights)) for group, weights in pairs]
        for group, stacks in zip(self.param_groups, self._stacks, strict=True):
            for stack in stacks:
                self._move(group, stack)
        return loss

    def _stacked(self, group: dict[str, Any], weights: Sequence[nn.Parameter]) -> Iterator[_Stack]:
        alike: dict[object, list[nn.Parameter]] = defaultdict(list)
        for weight in weights:
            alike[weight.shape, weight.dtype, weight.device, self.state[weight].get("step", 0)].append(weight)
        for same in alike.values():
            for part in chunks(same, same[0].numel(), same[0].device):
                yield self._stack(group, part)

    def _stack(self, group: dict[str, Any], weights: Sequence[nn.Parameter]) -> _Stack:
        shape = weights[0].shape
        factored, with_moment = self._get_options(group, shape)
        wanted = {"exp_avg": shape} if with_moment else {}
        if factored:
            wanted |= {"exp_avg_sq_row": shape[:-1], "exp_avg_sq_col": shape[:-2] + shape[-1:]}
        else:
            wanted["exp_avg_sq"] = shape
        known = {}
        for key, of_one in wanted.items():
            if key in self.state[weights[0]]:
                known[key] = torch.stack([self.state[weight][key].float() for weight in weights])
            else:
                known[key] = torch.zeros(len(weights), *of_one, device=weights[0].device)
            for weight, own in zip(weights, known[key].unbind(), strict=True):
                self.state[weight][key] = own
        return _Stack(weights, known)

    def _move(self, group: dict[str, Any], stack: _Stack) -> None:
        weights, known = stack.weights, stack.known
        values = torch.stack([weight.detach() for weight in weights]).float()
        gradients = torch.stack([weight.grad for weight in weights if weight.grad is not None]).float()
        each = (-1, *[1] * weights[0].dim())
        norms = _root_mean_squares(values)
        step = self.state[weights[0]].get("step", 0) + 1
        for weight, norm in zip(weights, norms.unbind(), strict=True):
            self.state[weight] |= {"step": step, "RMS": norm}
        # Without the part of the weight, which is each one's own.
        rate: Any = self._get_lr({**group, "scale_parameter": False}, {"step": step, "RMS": 0.0})
        if group["scale_parameter"]:
            rate = (norms.clamp(min=group["eps"][1]) * rate).view(each)
        decay = 1.0 - math.pow(step, group["decay_rate"])
        update = gradients**2 + group["eps"][0]
        if "exp_avg_sq" in known:
            update = known["exp_avg_sq"].mul_(decay).add_(update, alpha=1.0 - decay).rsqrt()
        else:
            rows, columns = known["exp_avg_sq_row"], known["exp_avg_sq_col"]
            rows.mul_(decay).add_(update.mean(dim=-1), alpha=1.0 - decay)
            columns.mul_(decay).add_(update.mean(dim=-2), alpha=1.0 - decay)
            update = self._approx_sq_grad(rows, columns)
        update.mul_(gradients)
        too_much = (_root_mean_squares(update) / group["clip_threshold"]).clamp_(min=1.0)
        update.div_(too_much.view(each)).mul_(rate)
        if "exp_avg" in known:
            update = known["exp_avg"].mul_(group["beta1"]).add_(update, alpha=1 - group["beta1"])
        if group["weight_decay"]:
            values.sub_(values * (group["weight_decay"] * rate))
        torch._foreach_copy_(list(weights), list((values - update).unbind()))


def _root_mean_squares(stack: Tensor) -> Tensor:
    """[n] of [n,...]."""
    size = stack[0].numel()
    if size <= _SMALL:
        norms: Tensor = torch.linalg.vector_norm(stack.flatten(1), dim=1)
    else:
        norms = torch.stack(torch._foreach_norm(list(stack.unbind())))
    return norms.div_(size**0.5)
