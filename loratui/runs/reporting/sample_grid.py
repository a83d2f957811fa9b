"""The sample pictures of a run by prompt and step, and as one contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loratui.events import Sample

SHEET = "sheet.png"


@dataclass(frozen=True, slots=True)
class SampleGrid:
    """Prompts in the order they came first, steps rising; the newest file where one was drawn twice."""

    prompts: tuple[str, ...]
    steps: tuple[int, ...]
    files: dict[tuple[int, int], Path]
    """By number of the step and number of the prompt."""


def grid(samples: Sequence[Sample], folder: Path) -> SampleGrid:
    """``folder`` is the run's: events name files relative to it. Pictures of one step without a prompt are
    told apart by their order."""
    prompts: list[str] = []
    found: dict[tuple[int, str], Path] = {}
    seen: dict[int, int] = {}
    for sample in samples:
        number = seen[sample.step] = seen.get(sample.step, 0) + 1
        prompt = sample.prompt or f"prompt {number}"
        if prompt not in prompts:
            prompts.append(prompt)
        found[sample.step, prompt] = folder / sample.path
    steps = sorted({step for step, _ in found})
    files = {(steps.index(step), prompts.index(prompt)): path for (step, prompt), path in found.items()}
    return SampleGrid(tuple(prompts), tuple(steps), files)


def write_sheet(samples: SampleGrid, path: Path) -> None:
    """A PNG with a row for each step and a column for each prompt; a file that is gone leaves a grey cell.
    Imports Pillow.

    Raises ``UserError`` when the disk refuses, ``ValueError`` when there are none or too many for one sheet.
    """
    from PIL import Image

    from loratui.sheet.drawing import draw_sheet, name_width
    from loratui.sheet.layout import lay_out

    there = {place: file for place, file in samples.files.items() if file.is_file()}
    if not there:
        raise ValueError("no sample picture is there")
    with Image.open(next(iter(there.values()))) as first:
        size = first.size
    names = [f"step {step:,}" for step in samples.steps]
    sheet = lay_out(names, samples.prompts, [None], [None], size, name_width(names))
    pictures = {
        cell: there[cell.lora, cell.prompt] for cell in sheet.cells if (cell.lora, cell.prompt) in there
    }
    path.unlink(missing_ok=True)
    draw_sheet(path, sheet, pictures)
