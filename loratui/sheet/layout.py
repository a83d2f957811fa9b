"""Where everything lies on a contact sheet. Pure arithmetic; nothing is drawn here.

A row for each LoRA or step; columns by prompt, within it by seed, within it by strength, so that what is to
be compared lies side by side (strength) or one above the other (epochs).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

LONGEST_CELL = 512
"""Pixels: larger pictures are shown smaller."""
LONGEST_SHEET = 16_000
"""Pixels of either side; browsers and viewers stop near 16,384."""
SMALLEST_CELL = 24
FONT_SIZE = 14
LINE = 22
"""Pixels from one line of labels to the next."""
GAP = 4
WIDEST_NAME = 260


class Box(NamedTuple):
    """Pixels from the sheet's upper left corner."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Label:
    """A line of text and the room it has."""

    text: str
    box: Box


@dataclass(frozen=True, slots=True)
class Cell:
    """The place of one picture; the numbers count within the lists the sheet was made of."""

    box: Box
    lora: int
    prompt: int
    seed: int
    strength: int


@dataclass(frozen=True, slots=True)
class Sheet:
    """A whole contact sheet."""

    width: int
    height: int
    labels: tuple[Label, ...]
    cells: tuple[Cell, ...]


def lay_out(
    loras: Sequence[str],
    prompts: Sequence[str],
    seeds: Sequence[int | None],
    strengths: Sequence[float | None],
    picture: tuple[int, int],
    name_width: int,
) -> Sheet:
    """The sheet for pictures of one size (width, height in pixels). ``name_width`` is what the longest
    name of a LoRA takes, in pixels. A seed or strength of None has no line of labels.

    Raises ``ValueError`` when there are so many that none could be seen.
    """
    margin = min(name_width, WIDEST_NAME) + 2 * GAP
    shown = [any(value is not None for value in values) for values in (seeds, strengths)]
    head = (1 + sum(shown)) * LINE + GAP
    columns = len(prompts) * len(seeds) * len(strengths)
    width, height = _cell_size(picture, columns, len(loras), margin, head)
    across, down = width + GAP, height + GAP

    def column_label(text: str, first: int, count: int, line: int) -> Label:
        return Label(text, Box(margin + first * across, line * LINE + GAP, count * across - GAP, LINE))

    labels = []
    cells = []
    per_prompt = len(seeds) * len(strengths)
    for prompt, words in enumerate(prompts):
        labels.append(column_label(one_line(words), prompt * per_prompt, per_prompt, 0))
        for seed, number in enumerate(seeds):
            first = prompt * per_prompt + seed * len(strengths)
            if number is not None:
                labels.append(column_label(f"seed {number}", first, len(strengths), 1))
            for index, strength in enumerate(strengths):
                if strength is not None:
                    labels.append(column_label(strength_words(strength), first + index, 1, 1 + shown[0]))
                for row in range(len(loras)):
                    box = Box(margin + (first + index) * across, head + row * down, width, height)
                    cells.append(Cell(box, row, prompt, seed, index))
    for row, name in enumerate(loras):
        top = head + row * down + max(0, (height - LINE) // 2)
        labels.append(Label(one_line(name), Box(GAP, top, margin - 2 * GAP, min(LINE, height))))
    return Sheet(margin + columns * across, head + len(loras) * down, tuple(labels), tuple(cells))


def _cell_size(picture: tuple[int, int], columns: int, rows: int, margin: int, head: int) -> tuple[int, int]:
    width, height = picture
    room = (
        ((LONGEST_SHEET - margin) / columns - GAP) / width,
        ((LONGEST_SHEET - head) / rows - GAP) / height,
    )
    share = min(1.0, LONGEST_CELL / max(picture), *room)
    cell = int(width * share), int(height * share)
    if min(cell) < SMALLEST_CELL:
        raise ValueError(f"{columns} columns and {rows} rows of pictures do not fit on one sheet")
    return cell


def strength_words(strength: float) -> str:
    """``without`` for 0."""
    return f"at {strength:g}" if strength else "without"


def one_line(text: str) -> str:
    """Text from outside as a label: no line breaks, nothing unprintable."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def clip(text: str, width: float, measure: Callable[[str], float]) -> str:
    """The text, or its beginning with three dots, no wider than ``width``; nothing when not even that
    fits. ``measure`` gives the width of a text."""
    if measure(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle].rstrip() + "...") <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "..." if low else ""
