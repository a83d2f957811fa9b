"""Is a LoRA file any good? Everything ``loratui lora verify`` says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from loratui.formats.lora_family import family_of_lora
from loratui.formats.tensorfile import Header, read_header
from loratui.lora.checking.fit import fit_problems
from loratui.lora.checking.measure import Measured, Strength, measure
from loratui.lora.checking.verify import not_finite
from loratui.lora.checking.zeros import unused_layers, zero_halves
from loratui.lora.files import numbers
from loratui.lora.files.base import Base
from loratui.lora.files.layers import block, block_order, canonical
from loratui.lora.files.modules import Module, find_modules, type_of
from loratui.lora.files.scale import Scale, scales
from loratui.problems import Problem, UserError

Effect = Literal["fine", "nothing", "burnt", "unknown"]

NOTHING = 2e-4
"""Relative strength (norm of the change over norm of the weights) below which a LoRA does nothing: rounding
the weights themselves to half precision changes them by as much. Our own measurement: normal random
weights, rounded to float16, move by 2.1e-4 of their norm (bfloat16: 1.7e-3)."""

BURNT = 1.0
"""Relative strength from which a LoRA is burnt: it changes the weights by more than there was. Our own
measurement on the demo (tiny model of random weights, rank 16, 200 steps): 0.08 and 0.29 while the loss falls
best, 1.7 at five times the rate without a lower loss, 5.5 at fifteen times, where the loss stays twice as
high. Not measured on a published checkpoint."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. It is ok when nothing is wrong; remarks and skipped checks do not count."""

    path: Path
    problems: tuple[Problem, ...]
    family: str | None = None
    type: str | None = None
    modules: int = 0
    tensors: int = 0
    strength: Strength | None = None
    """None when it could not be measured; ``skipped`` says why."""
    matched: int | None = None
    """Modules with a place in the base model; None without one."""
    remarks: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    effect: Effect = "unknown"
    """What the strength means. The last of ``problems`` says so with ``nothing`` and ``burnt``, the last of
    ``remarks`` with ``burnt`` when the strength is estimated."""

    @property
    def ok(self) -> bool:
        return not self.problems


@dataclass(slots=True)
class _Findings:
    problems: list[Problem] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def wrong(self, message: str, fix: str) -> None:
        self.problems.append(Problem("", message, fix))


def verify(path: Path, base: Base | None = None) -> Report:
    """Check ``path``: it opens, is whole, holds finite numbers and no half of zeros, alpha is not above the
    rank, it does something and is not burnt, and with ``base``, every module has its place there.

    Reads the file at most three times, and the weights of ``base`` that it changes once; memory is a few
    times the largest layer. Never raises for what is wrong with ``path``: that is in the report.
    """
    try:
        header = read_header(path)
        modules = find_modules(header.tensors)
        factors = scales(path, header, modules)
    except UserError as error:
        return Report(path, error.problems)
    if not modules:
        return Report(
            path,
            (Problem("", "it holds no LoRA weights.", "'loratui model FILE' says what it is."),),
            tensors=len(header.tensors),
        )
    shapes = {name: tensor.shape for name, tensor in header.tensors.items()}
    family = family_of_lora(shapes, header.metadata)[0]
    findings = _Findings()
    strength = None
    matched = None
    effect: Effect = "unknown"
    try:
        sound = _check_tensors(path, header, modules, findings)
        _check_alphas(modules, factors, findings)
        if base is not None:
            matched = fit_problems(modules, family, base, findings.problems, findings.skipped)
        dead = _check_zeros(path, header, modules, findings)
        strength = _measure(path, header, sound, factors, base if matched else None, findings)
        effect = _judge(strength, all_dead=len(dead) == len(modules), findings=findings)
    except OSError as error:
        findings.wrong(f"it cannot be read: {error.strerror or error}.", "Check the disk.")
    return Report(
        path,
        tuple(findings.problems),
        family,
        type_of(modules),
        len(modules),
        len(header.tensors),
        strength,
        matched,
        tuple(findings.remarks),
        tuple(findings.skipped),
        effect,
    )


def _check_tensors(path: Path, header: Header, modules: list[Module], findings: _Findings) -> list[Module]:
    """The modules that are whole and hold finite numbers."""
    misfits = [module for module in modules if module.misfit]
    if misfits:
        first = misfits[0]
        findings.wrong(
            f"{len(misfits)} of its {len(modules)} modules are broken,"
            f" first {first.name[:80]}: it {first.misfit}.",
            "It was not saved whole: download it again, or train again.",
        )
    broken = set(not_finite(path, header))
    if broken:
        first_name = next(name for name in header.tensors if name in broken)
        findings.wrong(
            f"{len(broken)} of its {len(header.tensors)} tensors hold NaN or infinite numbers,"
            f" first {first_name[:80]}.",
            "Use an earlier checkpoint, or train again with a lower learning rate, or with bf16.",
        )
    return [module for module in modules if not module.misfit and not broken & set(module.keys.values())]


def _check_alphas(modules: list[Module], factors: Mapping[str, Scale], findings: _Findings) -> None:
    above = [
        (module, alpha, module.rank)
        for module in modules
        if module.kind in ("lora", "loha")
        and (alpha := factors[module.name].alpha) is not None
        and module.rank
        and alpha > module.rank
    ]
    if above:
        module, alpha, rank = above[0]
        findings.wrong(
            f"alpha is above the rank in {len(above)} of its {len(modules)} modules,"
            f" first {module.name[:80]}: {alpha:g} over {rank} multiplies its effect by {alpha / rank:.3g}.",
            "Use it at a lower strength; train with alpha at most the rank.",
        )


def _check_zeros(path: Path, header: Header, modules: list[Module], findings: _Findings) -> list[Module]:
    dead = zero_halves(path, header, modules)
    if not dead or len(dead) == len(modules):
        return dead  # all of them: said with the strength
    idle, rest = unused_layers(modules, dead)
    if idle:
        findings.remarks.append(
            f"{len(idle)} modules in the last layers of a text encoder are zero,"
            " as they are after training with a clip skip: those layers were not used."
        )
    if rest:
        findings.wrong(
            f"{len(rest)} of its {len(modules)} modules have a half of zeros and do nothing,"
            f" first {rest[0].name[:80]}.",
            "They were never trained: check the learning rates of that part.",
        )
    return dead


def _measure(
    path: Path,
    header: Header,
    modules: list[Module],
    factors: Mapping[str, Scale],
    base: Base | None,
    findings: _Findings,
) -> Strength | None:
    if not numbers.available():
        findings.skipped.append("The strength was not measured: that needs numpy (pip install numpy).")
        return None
    found = measure(path, header, modules, factors, base)
    if found.left_out:
        kinds = ", ".join(sorted({module.kind for module in found.left_out}))
        findings.skipped.append(f"The strength of {len(found.left_out)} modules was not measured ({kinds}).")
    if any("dora_scale" in module.keys for module in modules):
        findings.skipped.append(
            "DoRA: the strength is that of the low-rank part; its magnitudes are not counted."
        )
    return summed(found.modules, base) if found.modules else None


def summed(measured: Iterable[Measured], base: Base | None) -> Strength:
    """Squares add up: the strength of blocks and of the whole."""
    squares: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    estimated = False
    per_block = base.layers_per_block if base else 2
    for one in measured:
        sums = squares[block(canonical(one.name, per_block))]
        sums[0] += one.norm**2
        sums[1] += one.base_norm**2
        estimated |= one.estimated
    ordered = sorted(squares, key=block_order)
    total = [sum(sums[index] for sums in squares.values()) for index in (0, 1)]
    return Strength(
        blocks={name: squares[name][0] ** 0.5 for name in ordered},
        relative={name: _ratio(*squares[name]) for name in ordered},
        overall=total[0] ** 0.5,
        overall_relative=_ratio(*total),
        estimated=estimated,
    )


def _ratio(change: float, weights: float) -> float:
    return (change / weights) ** 0.5 if weights else 0.0


def _judge(strength: Strength | None, *, all_dead: bool, findings: _Findings) -> Effect:
    fix = "Check that the learning rates are above 0 and that enough steps were trained."
    if all_dead:
        findings.wrong("this LoRA does nothing: every module has a half of zeros, its strength is 0.", fix)
        return "nothing"
    if strength is None:
        return "unknown"
    number, guessed = strength.overall_relative, " (estimated)" if strength.estimated else ""
    if number < NOTHING:
        findings.wrong(
            f"this LoRA does nothing: it changes the weights by {number:.1e} of their size{guessed},"
            f" less than rounding them to half precision ({NOTHING:.0e}).",
            fix,
        )
        return "nothing"
    if number >= BURNT:
        message = (
            f"this LoRA is burnt: it changes the weights by {number:.2g} times their size{guessed}; "
            f"from {BURNT:g} on nothing of the model is left."
        )
        advice = "Use an earlier checkpoint or a lower strength; train with a lower learning rate."
        if strength.estimated:
            findings.remarks.append(f"{message} Give --base to be sure. {advice}")
        else:
            findings.wrong(message, advice)
        return "burnt"
    return "fine"
