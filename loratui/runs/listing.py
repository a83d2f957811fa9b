"""All runs in one line each, looked at again and again: what is over is read once."""

from __future__ import annotations

import os
from pathlib import Path

from loratui import places
from loratui.events import ENDED
from loratui.problems import UserError
from loratui.runs import store
from loratui.runs.layout import Run
from loratui.runs.store import RunSummary

_Stamp = tuple[int, int, int, int]


class Listing:
    """Remembers the runs that have ended or wait, as long as their files stay as they are."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[_Stamp, RunSummary]] = {}

    def look(self) -> list[RunSummary]:
        """Every run, newest first. Folders that are not runs, or not yet, are left out."""
        found = {}
        for run in _folders():
            stamp = _stamp(run)
            known = self._known.get(run.id)
            if known is not None and known[0] == stamp:
                found[run.id] = known
                continue
            try:
                found[run.id] = stamp, store.summary(run)
            except UserError:
                continue
        self._known = {run_id: known for run_id, known in found.items() if _stays(known[1])}
        return sorted((row for _, row in found.values()), key=lambda row: (row.started, row.id), reverse=True)


def _stays(row: RunSummary) -> bool:
    """Whether only its files can tell of a change; a run that trains may be lost without a word."""
    return row.state == "queued" or (row.state in ENDED and row.state != "lost")


def _folders() -> list[Run]:
    try:
        with os.scandir(places.runs_folder()) as entries:
            return [Run(entry.name, Path(entry.path)) for entry in entries if entry.is_dir()]
    except OSError:
        return []


def _stamp(run: Run) -> _Stamp:
    """When both files were replaced last: they are never written in place."""
    stamps = []
    for name in ("run.json", "status.json"):
        try:
            found = (run.folder / name).stat()
        except OSError:
            stamps += [0, 0]
        else:
            stamps += [found.st_mtime_ns, found.st_ino]
    return stamps[0], stamps[1], stamps[2], stamps[3]
