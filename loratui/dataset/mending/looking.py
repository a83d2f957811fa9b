"""What the pictures of a set look like, from the cache of the dataset check or by a look."""

from __future__ import annotations

from collections.abc import Callable, Collection

from loratui.dataset.history import Base
from loratui.dataset.pictures.probe_cache import Probe, ProbeCache, cache_folder
from loratui.dataset.pictures.probing import Progress, probe


def look_at(
    base: Base,
    names: Collection[str],
    on_progress: Callable[[Progress], None] = lambda _: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Probe]:
    """What is to be known of files of a set, by name. Raises ``probing.Cancelled``."""
    paths = {base.root / name: name for name in names}
    cache = ProbeCache(cache_folder())
    try:
        found = probe(list(paths), cache, on_progress=on_progress, cancelled=cancelled)
    finally:
        cache.close()
    return {paths[path]: seen for path, seen in found.items()}
