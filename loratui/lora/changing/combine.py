"""Several LoRAs as one: their sum."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from loratui.lora.changing import low_rank
from loratui.lora.files.lora_writer import (
    NewModule,
    Progress,
    common_dtype,
    kohya_names,
    no_progress,
    save_lora,
    shaped,
)
from loratui.lora.files.streams import refuse_existing
from loratui.lora.files.weights import LoraFile, LoraModule
from loratui.problems import Problem, UserError


@dataclass(frozen=True, slots=True)
class Combined:
    """What was written."""

    out: Path
    modules: int
    rank_least: int
    rank_most: int
    kept_energy: float
    """1 when nothing was cut off."""
    error: float
    bytes: int


def combine(
    loras: Sequence[tuple[Path, float]],
    out: Path,
    *,
    rank: int | None = None,
    precision: str | None = None,
    progress: Progress = no_progress,
) -> Combined:
    """Write the sum of LoRAs, each with its strength, in Kohya's names.

    Without ``rank`` the factors are put side by side, so the ranks add up and the sum is exact to the
    rounding of the format; with it the sum is cut to that rank by its singular values. Raises
    ``UserError`` when ``out`` exists, a file is damaged, no LoRA or LoCon, or the families differ.
    """
    import torch

    refuse_existing(out)
    with ExitStack() as stack:
        files = [stack.enter_context(LoraFile(path)) for path, _ in loras]
        strengths = [strength for _, strength in loras]
        sdxl = _one_family(files)
        together: dict[object, list[tuple[LoraFile, LoraModule, float]]] = {}
        for file, strength in zip(files, strengths, strict=True):
            for found in file.plain():
                together.setdefault(found.module, []).append((file, found, strength))
        modules: list[NewModule] = []
        kept_sum = total_sum = 0.0
        dtypes: set[str] = set()
        for done, members in enumerate(together.values()):
            progress(done, len(together))
            ups: list[torch.Tensor] = []
            downs: list[torch.Tensor] = []
            outputs, inputs = 0, torch.Size()
            for file, found, strength in members:
                up, down, scale = file.factors(found)
                if ups and (up.shape[0] != outputs or down[0].numel() != inputs.numel()):
                    raise file.reader.error(
                        f"{found.label} has another shape than in {loras[0][0].name}: another family.",
                        "Combine LoRAs of one family.",
                    )
                if not ups:
                    outputs, inputs = up.shape[0], down.shape[1:]
                ups.append(up * (scale * strength))
                downs.append(down.flatten(1))
                dtypes.add(file.reader.header.tensors[found.names["down"]].dtype)
            new_up, new_down = torch.cat(ups, 1), torch.cat(downs)
            if rank is not None and rank < new_down.shape[0]:
                spectrum = low_rank.of_product(new_up, new_down)
                kept, total = low_rank.energies(spectrum, rank)
                new_up, new_down = low_rank.split(spectrum, rank)
            else:
                # Only the ratio to what is cut elsewhere matters: the trace of a product of Gram matrices.
                kept = total = float(((new_up.T @ new_up) * (new_down @ new_down.T)).sum())
            kept_sum, total_sum = kept_sum + kept, total_sum + total
            new_up, new_down = shaped(new_up, new_down, inputs)
            names = kohya_names(members[0][1].module, sdxl=sdxl)
            modules.append(NewModule(names, new_up, new_down, float(new_down.shape[0])))
        note = {"loratui.combined": ", ".join(f"{path.stem}:{strength:g}" for path, strength in loras)}
        metadata = _common([file.reader.header.metadata for file in files]) | note
        size = save_lora(out, modules, metadata, common_dtype(dtypes, precision))
        ranks = [module.rank for module in modules]
        share = kept_sum / total_sum if total_sum > 0 else 1.0
        return Combined(
            out, len(modules), min(ranks), max(ranks), share, math.sqrt(max(0.0, 1 - share)), size
        )


def _one_family(files: Sequence[LoraFile]) -> bool:
    sdxl = [file.sdxl for file in files]
    if len(set(sdxl)) > 1:
        raise UserError(
            str(files[sdxl.index(not sdxl[0])].path),
            Problem(
                "",
                f"this LoRA is {'not ' if sdxl[0] else ''}for SDXL, and {files[0].path.name} is"
                f"{'' if sdxl[0] else ' not'}.",
                "Combine LoRAs of one family.",
            ),
        )
    return sdxl[0]


def _common(tables: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """What all files say alike, of the model they were made for."""
    return {
        key: text
        for key, text in tables[0].items()
        if key.startswith(
            ("ss_base_model", "ss_sd_", "ss_v2", "modelspec.architecture", "modelspec.prediction")
        )
        and all(table.get(key) == text for table in tables)
    }
