"""Two runs beside each other: what they were told differently, how their losses went, what they drew."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from loratui.runs import fixing, report, store
from loratui.runs.fixes import Change
from loratui.runs.follow import RunFollower
from loratui.runs.sample_grid import SampleGrid, grid
from loratui.runs.store import Run
from loratui.runs.view import RunView


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs as they are now."""

    runs: tuple[Run, Run]
    names: tuple[str, str]
    views: tuple[RunView, RunView]
    changes: tuple[Change, ...]
    """Dotted key, the first run's value, the second's."""

    @property
    def common_step(self) -> int | None:
        """The last step that both have been at; None where one has no loss."""
        ends = []
        for view in self.views:
            if not view.losses:
                return None
            last = view.losses.spans[-1]
            ends.append(last.first_step + last.count - 1)
        return min(ends)

    def at_common_step(self) -> tuple[float, float] | None:
        """Both smoothed losses at the last step that both have been at."""
        step = self.common_step
        found = [view.losses.at(step) for view in self.views] if step is not None else []
        if len(found) < 2 or found[0] is None or found[1] is None:
            return None
        return found[0][1], found[1][1]


@dataclass(frozen=True, slots=True)
class PicturePair:
    """What both drew for one prompt at about one step."""

    prompt: str
    steps: tuple[int | None, int | None]
    files: tuple[Path | None, Path | None]


def compare(first: str, second: str) -> Comparison:
    """Two runs by their ids. Raises ``UserError`` when one is not there, or its recipe cannot be read."""
    one, other = store.find(first), store.find(second)
    changes = fixing.read_recipe(one).diff(fixing.read_recipe(other))
    views = (RunFollower(one).poll(), RunFollower(other).poll())
    names = (store.summary(one).name, store.summary(other).name)
    return Comparison((one, other), names, views, tuple(changes))


def pictures(found: Comparison) -> list[PicturePair]:
    """A pair for each prompt and each step one of them drew at, the newest step first; the other's picture is
    its last one until then."""
    one, other = (grid(view.samples, run.folder) for view, run in zip(found.views, found.runs, strict=True))
    pairs = []
    for step in sorted({*one.steps, *other.steps}, reverse=True):
        for prompt in dict.fromkeys((*one.prompts, *other.prompts)):
            left, right = _until(one, prompt, step), _until(other, prompt, step)
            if step in (left[0], right[0]):
                pairs.append(PicturePair(prompt, (left[0], right[0]), (left[1], right[1])))
    return pairs


def _until(found: SampleGrid, prompt: str, step: int) -> tuple[int | None, Path | None]:
    if prompt not in found.prompts:
        return None, None
    column = found.prompts.index(prompt)
    for row in reversed(range(bisect_right(found.steps, step))):
        path = found.files.get((row, column))
        if path is not None:
            return found.steps[row], path
    return None, None


def write_page(found: Comparison, out: Path | None = None) -> Path:
    """The comparison as one HTML page, into the first run's folder when no other file is named. Raises
    ``UserError``."""
    path = out or found.runs[0].folder / f"compare-{found.runs[1].id}.html"
    changes: Sequence[Change] = found.changes
    report.write_comparison(found.runs, found.views, changes, path)
    return path
