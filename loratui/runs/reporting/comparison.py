"""Two runs beside each other: what they were told differently, how their losses went, what they drew."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loratui.events import ENDED
from loratui.runs import store
from loratui.runs.follow import RunFollower
from loratui.runs.hints import fixing
from loratui.runs.hints.fixes import Change
from loratui.runs.reporting import report
from loratui.runs.reporting.equal_steps import Standing, standing
from loratui.runs.reporting.sample_grid import SampleGrid, grid
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
    def standing(self) -> Standing:
        """How they stand at the last step that both have been at."""
        return standing(self.views, self.changes)

    @property
    def goes_on(self) -> bool:
        """Whether one of them still trains or waits."""
        return any(view.state not in ENDED for view in self.views)

    @property
    def total_steps(self) -> int | None:
        """Where the longer one is to end; None when both are over."""
        if not self.goes_on:
            return None
        return max(view.total_steps or view.step for view in self.views)


class PairWatch:
    """Follows the files of two runs."""

    def __init__(self, first: str, second: str) -> None:
        """Two runs by their ids. Raises ``UserError`` when one is not there, or its recipe cannot be read."""
        runs = store.find(first), store.find(second)
        recipes = [fixing.read_recipe(run) for run in runs]
        names = store.summary(runs[0]).name, store.summary(runs[1]).name
        self._followers = RunFollower(runs[0]), RunFollower(runs[1])
        changes = tuple(recipes[0].diff(recipes[1]))
        self.found = Comparison(runs, names, self._views(), changes)
        """Both as of the last look."""

    def look(self) -> Comparison:
        """Read what is new in those that go on."""
        self.found = replace(self.found, views=self._views())
        return self.found

    def _views(self) -> tuple[RunView, RunView]:
        one, other = self._followers
        return one.poll(), other.poll()


@dataclass(frozen=True, slots=True)
class PicturePair:
    """What both drew for one prompt at about one step."""

    prompt: str
    steps: tuple[int | None, int | None]
    files: tuple[Path | None, Path | None]


def compare(first: str, second: str) -> Comparison:
    """Two runs as they are now, by their ids. Raises ``UserError`` as ``PairWatch`` does."""
    return PairWatch(first, second).found


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
