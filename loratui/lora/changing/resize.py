"""A LoRA of smaller rank that does nearly the same (the best one there is, by Eckart and Young)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from loratui.lora.changing import low_rank
from loratui.lora.files.lora_writer import NewModule, Progress, common_dtype, no_progress, save_lora, shaped
from loratui.lora.files.streams import refuse_existing
from loratui.lora.files.weights import LoraFile


@dataclass(frozen=True, slots=True)
class Resized:
    """What was written."""

    out: Path
    modules: int
    rank_before: int
    """The largest of the modules."""
    rank_least: int
    rank_most: int
    kept_energy: float
    """Share of the sum of squares of what the LoRA adds, over all modules."""
    worst_kept: float
    """The same of the module that lost most."""
    worst_module: str
    error: float
    """Length of what was lost over the length of the whole."""
    bytes_before: int
    bytes: int


def resize(
    path: Path,
    out: Path,
    *,
    rank: int | None = None,
    keep: float | None = None,
    precision: str | None = None,
    progress: Progress = no_progress,
) -> Resized:
    """Write a copy of a LoRA at ``rank``, or at the smallest rank of each module that keeps the share
    ``keep`` (0..1] of its energy; never above the rank it has.

    alpha keeps its ratio to the rank, so that the strength stays. Names and format stay too. Raises
    ``UserError`` when ``out`` exists, the file is damaged, or it is no LoRA or LoCon.
    """
    refuse_existing(out)
    with LoraFile(path) as file:
        modules: list[NewModule] = []
        kept_sum = total_sum = 0.0
        worst, worst_module = 1.0, ""
        before = 0
        dtypes = set()
        found_modules = list(file.plain())
        for done, found in enumerate(found_modules):
            progress(done, len(found_modules))
            up, down, scale = file.factors(found)
            before = max(before, down.shape[0])
            dtypes.add(file.reader.header.tensors[found.names["down"]].dtype)
            spectrum = low_rank.of_product(up, down.flatten(1))
            limit = len(spectrum.values)
            wanted = low_rank.rank_for(spectrum, keep) if keep is not None else rank or limit
            chosen = min(wanted, limit)
            kept, total = low_rank.energies(spectrum, chosen)
            kept_sum, total_sum = kept_sum + kept * scale**2, total_sum + total * scale**2
            if total and kept / total < worst:
                worst, worst_module = kept / total, found.label
            new_up, new_down = low_rank.split(spectrum, chosen)
            if "alpha" not in found.names:  # then its readers take alpha for the rank
                new_up, scale = new_up * scale, 1.0
            new_up, new_down = shaped(new_up, new_down, down.shape[1:])
            modules.append(NewModule(found.names, new_up, new_down, scale * chosen))
        share = kept_sum / total_sum if total_sum else 1.0
        size = save_lora(out, modules, file.reader.header.metadata, common_dtype(dtypes, precision))
        ranks = [module.rank for module in modules]
        return Resized(
            out,
            len(modules),
            before,
            min(ranks),
            max(ranks),
            share,
            worst,
            worst_module,
            math.sqrt(max(0.0, 1 - share)),
            path.stat().st_size,
            size,
        )
