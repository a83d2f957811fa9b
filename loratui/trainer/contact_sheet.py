"""``python -m loratui.trainer.contact_sheet REQUEST.json``: pictures with and without LoRAs, told as events.

The base model is loaded once; LoRAs and strengths change on it. Exit codes: 0 all drawn; 1 stopped or
failed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from loratui import events
from loratui.builtin import lora_request
from loratui.builtin.lora_request import LoraFile, Picture, SheetAnswer, SheetRequest
from loratui.problems import refusal
from loratui.sheet.drawing import draw_sheet, name_width
from loratui.sheet.layout import Cell, Sheet, lay_out, one_line
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.serving import serve
from loratui.trainer.stopping import StopRequest

if TYPE_CHECKING:
    from loratui.trainer.samples.studio import Studio


def main(arguments: list[str] | None = None) -> int:
    """Draw what a request asks for."""
    return serve(
        arguments, SheetRequest, draw, less_memory="Choose a smaller --size, or close what else uses it."
    )


def draw(request: SheetRequest, report: Reporter, stop: StopRequest) -> int:
    """All pictures, then the sheet; stopped early, a sheet of what there is.

    Raises ``UserError`` for whatever only the person can put right.
    """
    names = [Path(file.path).stem for file in request.loras]
    try:
        sheet = lay_out(
            names,
            request.prompts,
            request.seeds,
            request.strengths,
            request.size,
            name_width([one_line(name) for name in names]),
        )
    except ValueError as error:
        raise refusal(request.sheet, f"{error}.", "Choose fewer LoRAs, prompts or seeds.") from None
    report.phase("libraries", "loading PyTorch")
    from loratui.trainer.samples.studio import Studio  # seconds of imports: after the first words

    report.phase("model", Path(request.base).name)
    studio = Studio(request)
    if studio.on_cpu:
        report.message(
            "warning",
            "There is no GPU here: the CPU draws too, with patience. How long it takes is said after the"
            " first picture.",
        )
    stop.defer()
    drawn, seconds = _draw_all(request, sheet, studio, report, stop)
    complete = len(drawn) == len(sheet.cells)
    if drawn:
        report.phase("saving", request.sheet)
        draw_sheet(Path(request.sheet), sheet, drawn)
    pictures = tuple(_picture(request, cell, drawn[cell]) for cell in sheet.cells if cell in drawn)
    lora_request.write(Path(request.answer), SheetAnswer(pictures, complete, seconds))
    final = request.sheet if drawn else ""
    report.emit(events.Ended("finished" if complete else "stopped", len(set(drawn.values())), final))
    return 0 if complete else 1


def _draw_all(
    request: SheetRequest, sheet: Sheet, studio: Studio, report: Reporter, stop: StopRequest
) -> tuple[dict[Cell, Path], float | None]:
    """The pictures by cell, and the seconds one took."""
    drawn: dict[Cell, Path] = {}
    tasks = list(_tasks(request, sheet))
    started = time.monotonic()
    for number, (file, cells) in enumerate(tasks):
        if stop.requested:
            break
        cell = cells[0]
        prompt, strength = request.prompts[cell.prompt], request.strengths[cell.strength]
        seed = request.seeds[cell.seed]
        what = f"{Path(file.path).stem} at {strength:g}" if file else "without"
        report.progress("sampling", number, len(tasks), f"{what}: {prompt}")
        path = _path(request, cell, file)
        begun = time.monotonic()
        remark = studio.draw(path, file, strength, prompt, seed, lambda: stop.requested)
        if remark is None:
            break
        if remark:
            report.message("warning", f"{path.name}: {remark}")
        drawn |= dict.fromkeys(cells, path)
        report.emit(events.Sample(str(path), number + 1, prompt))
        if number == 0 and studio.on_cpu and len(tasks) > 1:
            took = time.monotonic() - begun
            report.message("info", f"{took:.1f} s a picture: about {_words(took * (len(tasks) - 1))} to go.")
    done = len(set(drawn.values()))
    return drawn, (time.monotonic() - started) / done if done else None


def _tasks(request: SheetRequest, sheet: Sheet) -> Iterator[tuple[LoraFile | None, list[Cell]]]:
    """What is drawn in turn, with the cells it is for: first without a LoRA, once for all of them; then LoRA
    by LoRA."""
    without: dict[tuple[int, int], list[Cell]] = {}
    for cell in sheet.cells:
        if request.strengths[cell.strength] == 0.0:
            without.setdefault((cell.prompt, cell.seed), []).append(cell)
    for cells in without.values():
        yield None, cells
    rest = [cell for cell in sheet.cells if request.strengths[cell.strength] != 0.0]
    for cell in sorted(rest, key=lambda cell: (cell.lora, cell.strength, cell.prompt, cell.seed)):
        yield request.loras[cell.lora], [cell]


def _path(request: SheetRequest, cell: Cell, file: LoraFile | None) -> Path:
    place = f"prompt{cell.prompt + 1}_seed{request.seeds[cell.seed]}"
    if file is None:
        return Path(request.pictures) / f"00_without_{place}.png"
    stem = Path(file.path).stem[:80]
    strength = f"{request.strengths[cell.strength]:g}"
    return Path(request.pictures) / f"{cell.lora + 1:02d}_{stem}_at{strength}_{place}.png"


def _picture(request: SheetRequest, cell: Cell, path: Path) -> Picture:
    return Picture(
        str(path),
        request.loras[cell.lora].path,
        request.prompts[cell.prompt],
        request.seeds[cell.seed],
        request.strengths[cell.strength],
    )


def _words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


if __name__ == "__main__":
    sys.exit(main())
