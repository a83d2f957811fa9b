"""Who runs which tests when there are several workers.

Importing torch and what stands on it takes 15 s of a processor, and a third of the suite needs it. So one
worker takes those tests, and of three or more the others do not even collect them. (pytest-xdist's own groups
mean nothing to pytest 9.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from xdist.scheduler import LoadScopeScheduling

WITH_TORCH = ("tests/trainer", "tests/lora", "tests/dataset/test_sentences.py")
ROOT = Path(__file__).parent.parent.parent
TORCH = "torch"
"""The scope of all tests that need it: one unit, for the worker that comes first."""


def needs_torch(nodeid: str) -> bool:
    """Whether a test, or a path in the repository, is one of those."""
    return any(nodeid == place or nodeid.startswith((f"{place}/", f"{place}::")) for place in WITH_TORCH)


def leaves_out(worker: str, workers: int, path: Path) -> bool:
    """Whether worker ``gwN`` of so many does not collect a file. One that replaces a crashed one collects
    all."""
    number = int(worker.removeprefix("gw"))
    if workers < 3 or number >= workers or path.suffix != ".py" or not path.is_relative_to(ROOT):
        return False
    return needs_torch(path.relative_to(ROOT).as_posix()) != (number == 0)


class Sharing(LoadScopeScheduling):  # type: ignore[misc]
    """Each test to whoever is free and has collected it; those that need torch together."""

    def __init__(self, config: Any, log: Any = None) -> None:
        super().__init__(config, log)
        self.collection: list[str] | None = None
        self._can: dict[Any, frozenset[str]] = {}
        """What each worker has collected."""

    def _split_scope(self, nodeid: str) -> str:
        return TORCH if needs_torch(nodeid) else nodeid

    def add_node_collection(self, node: Any, collection: Sequence[str]) -> None:
        """What a worker has collected need not be what the others have."""
        self.registered_collections[node] = list(collection)
        self._can[node] = frozenset(collection)

    def schedule(self) -> None:
        """Begin, once all have collected; later, let a worker that came instead of a crashed one begin."""
        if self.collection is None:
            every = _union(self.registered_collections.values())
            for nodeid in every:
                self.workqueue.setdefault(self._split_scope(nodeid), {})[nodeid] = False
            # xdist takes the number of its last worker, for the percentage and for "no tests ran".
            self.config.pluginmanager.getplugin("session").testscollected = len(every)
            self.collection = every
        for node in self.nodes:
            self._reschedule(node)

    def _reschedule(self, node: Any) -> None:
        """Keep two tests waiting at a worker; dismiss it when nothing is left that it can do."""
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) <= 2:
            scope = self._next_for(node)
            if scope is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(scope, last=False)
            self._assign_work_unit(node)

    def _next_for(self, node: Any) -> str | None:
        can = self._can.get(node, frozenset())
        return next((scope for scope, unit in self.workqueue.items() if can.issuperset(unit)), None)


def _union(collections: Iterable[Sequence[str]]) -> list[str]:
    return list({nodeid: None for collection in collections for nodeid in collection})
