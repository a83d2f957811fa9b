"""The optimizers of the builtin engine by Kohya's names: which class each is, and which package it comes in.

Facts alone: nothing is imported to look them up. The table and the rules for other names follow sd-scripts
library/train_util.py:4825-5225 (``get_optimizer``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any


@dataclass(frozen=True, slots=True)
class OptimizerFact:
    """One optimizer."""

    name: str
    path: str
    """``module.Class``."""
    package: str = ""
    """What pip knows it by; empty where torch brings it."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """Arguments it always gets."""
    unless_given: Mapping[str, Any] = field(default_factory=dict)
    """Arguments it gets where optimizer_args is silent."""

    @property
    def module(self) -> str:
        """The top-level module it is found in."""
        return self.path.partition(".")[0]

    @property
    def finds_its_rate(self) -> bool:
        """D-Adaptation and Prodigy: the learning rate only multiplies what they find, and is one for all."""
        name = self.name.lower()
        return name.startswith("dadapt") or name == "prodigy"

    @property
    def schedule_free(self) -> bool:
        """Keeps weights for training and averaged ones for everything else, and takes no schedule."""
        return self.name.lower().endswith("schedulefree")


_NESTEROV: Mapping[str, Any] = {"nesterov": True}
_MOMENTUM: Mapping[str, Any] = {"momentum": 0.9}
_TABLE = (
    OptimizerFact("AdamW", "torch.optim.AdamW"),
    OptimizerFact("AdamW8bit", "bitsandbytes.optim.AdamW8bit", "bitsandbytes"),
    OptimizerFact("PagedAdamW", "bitsandbytes.optim.PagedAdamW", "bitsandbytes"),
    OptimizerFact("PagedAdamW8bit", "bitsandbytes.optim.PagedAdamW8bit", "bitsandbytes"),
    OptimizerFact("PagedAdamW32bit", "bitsandbytes.optim.PagedAdamW32bit", "bitsandbytes"),
    OptimizerFact("Lion", "lion_pytorch.Lion", "lion-pytorch"),
    OptimizerFact("Lion8bit", "bitsandbytes.optim.Lion8bit", "bitsandbytes"),
    OptimizerFact("PagedLion8bit", "bitsandbytes.optim.PagedLion8bit", "bitsandbytes"),
    OptimizerFact("Adafactor", "transformers.optimization.Adafactor", "transformers"),
    OptimizerFact("DAdaptation", "dadaptation.experimental.DAdaptAdamPreprint", "dadaptation"),
    OptimizerFact("DAdaptAdamPreprint", "dadaptation.experimental.DAdaptAdamPreprint", "dadaptation"),
    OptimizerFact("DAdaptAdaGrad", "dadaptation.DAdaptAdaGrad", "dadaptation"),
    OptimizerFact("DAdaptAdam", "dadaptation.DAdaptAdam", "dadaptation"),
    OptimizerFact("DAdaptAdan", "dadaptation.DAdaptAdan", "dadaptation"),
    OptimizerFact("DAdaptAdanIP", "dadaptation.experimental.DAdaptAdanIP", "dadaptation"),
    OptimizerFact("DAdaptLion", "dadaptation.DAdaptLion", "dadaptation"),
    OptimizerFact("DAdaptSGD", "dadaptation.DAdaptSGD", "dadaptation"),
    OptimizerFact("Prodigy", "prodigyopt.Prodigy", "prodigyopt"),
    OptimizerFact("AdamWScheduleFree", "schedulefree.AdamWScheduleFree", "schedulefree"),
    OptimizerFact("RAdamScheduleFree", "schedulefree.RAdamScheduleFree", "schedulefree"),
    OptimizerFact("SGDScheduleFree", "schedulefree.SGDScheduleFree", "schedulefree"),
    OptimizerFact("SGDNesterov", "torch.optim.SGD", "", _NESTEROV, _MOMENTUM),
    OptimizerFact("SGDNesterov8bit", "bitsandbytes.optim.SGD8bit", "bitsandbytes", _NESTEROV, _MOMENTUM),
)
_BY_NAME = {fact.name.lower(): fact for fact in _TABLE}
NAMES = tuple(fact.name for fact in _TABLE)
"""As sd-scripts writes them; letter case is nothing to it."""

_NOT_IN_FLOAT16 = frozenset({"AdamW", "AdamWScheduleFree"})


def breaks_in_float16(name: str, arguments: Sequence[str]) -> bool:
    """Whether weights that are float16 themselves (full_fp16) become NaN in the first step.

    These optimizers reckon in the precision of the weights, and there their eps of 1e-8 is 0 (float16's
    smallest number is 6e-8): 0 is divided by 0 wherever a gradient is 0, as it is in all of a fresh LoRA's
    lora_down. Not where ``arguments`` (of the form key=value) set another eps.
    """
    fact = find(name)
    own_eps = any(argument.partition("=")[0].strip() == "eps" for argument in arguments)
    return fact is not None and fact.name in _NOT_IN_FLOAT16 and not own_eps


_OF_TORCH = frozenset(
    ("ASGD", "Adadelta", "Adagrad", "Adam", "Adamax", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")
)
"""Others that need nothing but their name; here letter case counts."""

_OF_ONE_KERNEL = frozenset(("Adam", "AdamW", "SGD"))
"""torch moves all tensors at once with these; they gain nothing from being joined."""

JOINABLE = frozenset(
    fact.path
    for fact in _TABLE
    if fact.module in ("lion_pytorch", "dadaptation", "prodigyopt", "schedulefree")
) | {f"torch.optim.{name}" for name in _OF_TORCH - _OF_ONE_KERNEL}
"""Paths of those that walk over tensors in Python, and treat every element alike or by sums over all: it is
the same to them how a network's values are cut into tensors. Read in torch 2.13, lion-pytorch 0.2.5,
dadaptation 3.2, prodigyopt 1.1.2 and schedulefree 1.4.1."""

IN_BLOCKS = frozenset(f"bitsandbytes.optim.{name}" for name in ("AdamW8bit", "Lion8bit", "SGD8bit"))
"""Those that walk over tensors as well, wait for the GPU after each, and keep their states in blocks of 8 bit
numbers with a scale (bitsandbytes 0.50.2 optim/optimizer.py, ``step`` and ``init_state``)."""
BLOCK = 256
"""Elements of a block."""
LEAST_IN_BLOCKS = 4096
"""Elements: smaller tensors are kept in 32 bit (``min_8bit_size``)."""

_PACKAGES = {
    "bitsandbytes": "bitsandbytes",
    "lion_pytorch": "lion-pytorch",
    "prodigyopt": "prodigyopt",
    "prodigyplus": "prodigy-plus-schedule-free",
    "pytorch_optimizer": "pytorch-optimizer",
    "schedulefree": "schedulefree",
}


def find(name: str) -> OptimizerFact | None:
    """What a value of optimizer_type means: a name of the table, one of torch's, or ``module.Class``."""
    fact = _BY_NAME.get((name or "AdamW").lower())
    if fact is not None:
        return fact
    if name in _OF_TORCH:
        return OptimizerFact(name, f"torch.optim.{name}")
    module, dot, kind = name.rpartition(".")
    if dot and kind.isidentifier() and all(part.isidentifier() for part in module.split(".")):
        top = module.partition(".")[0]
        return OptimizerFact(name, name, _PACKAGES.get(top, top))
    return None


def missing_package(fact: OptimizerFact) -> str:
    """What ``pip install`` has to be given before this optimizer can be used; empty when it is there."""
    return fact.package if fact.package and find_spec(fact.module) is None else ""
