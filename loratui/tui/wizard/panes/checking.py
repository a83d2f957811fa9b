"""The dataset check beside the Dataset step: started once a folder is known, told as it comes, stopped by a
key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loratui.problems import UserError

if TYPE_CHECKING:
    from textual.widget import Widget

    from loratui.dataset.checking.checks import Report, Seen, Wishes
    from loratui.dataset.pictures.probing import Progress
    from loratui.dataset.scan import Source

_EVERY = 0.5
"""Seconds between two repaints of the progress."""


class Checking:
    """One check at a time. ``changed`` is called on the screen's own thread whenever there is news."""

    def __init__(self, widget: Widget, changed: Callable[[], None]) -> None:
        self._widget = widget
        self._changed = changed
        self._stop = threading.Event()
        self._key: object = None
        self.report: Report | None = None
        self.progress: Progress | None = None
        """None: not at work."""
        self.problem = ""
        self.stopped = False

    def begin(
        self,
        key: object,
        folder: Path,
        regularization: Path | None,
        wishes: Callable[[], Wishes],
        datasets: Sequence[Sequence[Source]] = (),
    ) -> None:
        """Check a folder, or those of ``datasets`` that a file names, unless that is what was asked last."""
        if key == self._key:
            return
        self.stop()
        self._key, self.report, self.problem, self.stopped = key, None, "", False
        self._stop = stop = threading.Event()
        self._widget.run_worker(
            lambda: self._work(stop, folder, regularization, wishes, datasets), thread=True, group="check"
        )

    def stop(self) -> None:
        """End it; what was found so far is kept in the cache."""
        self._stop.set()
        self.stopped = self.progress is not None
        self.progress = None

    def forget(self) -> None:
        """End it; what it said was about another folder."""
        self.stop()
        self._key, self.report, self.problem, self.stopped = None, None, "", False

    @property
    def has_spoken(self) -> bool:
        """Whether there is a first answer about the folder asked last, or none will come."""
        return self.report is not None or bool(self.problem) or self.stopped

    def again(self) -> None:
        """Let the same folder be checked once more."""
        self._key = None

    def _work(
        self,
        stop: threading.Event,
        folder: Path,
        regularization: Path | None,
        wishes: Callable[[], Wishes],
        datasets: Sequence[Sequence[Source]],
    ) -> None:
        from loratui.dataset.checking.checks import look_at, report
        from loratui.dataset.pictures.probing import Cancelled, Progress

        told = 0.0

        def on_progress(progress: Progress) -> None:
            nonlocal told
            if time.monotonic() - told >= _EVERY or progress.done == progress.total:
                told = time.monotonic()
                self._tell(stop, lambda: setattr(self, "progress", progress))

        def on_seen(seen: Seen) -> None:
            found = report(seen, wishes())
            self._tell(stop, lambda: self._take(found, Progress("files", 0, len(seen.tree.every_picture))))

        try:
            seen = look_at(
                folder,
                regularization,
                datasets,
                on_progress=on_progress,
                on_seen=on_seen,
                cancelled=lambda: stop.is_set() or not self._widget.is_attached,
            )
            found = report(seen, wishes())
            self._tell(stop, lambda: self._take(found, None))
        except Cancelled:
            pass
        except UserError as error:
            words = error.problems[0].message
            self._tell(stop, lambda: self._failed(words))

    def _take(self, report: Report, progress: Progress | None) -> None:
        self.report = report
        self.progress = progress if progress is None or self.progress is None else self.progress

    def _failed(self, words: str) -> None:
        self.problem, self.progress = words, None

    def _tell(self, stop: threading.Event, take: Callable[[], object]) -> None:
        """Take news on the screen's own thread, unless nobody waits for it any more."""

        def arrive() -> None:
            if not stop.is_set():
                take()
                self._changed()

        if not stop.is_set() and self._widget.is_attached:
            self._widget.app.call_from_thread(arrive)
