"""Which pictures of a dataset are kept for validation."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

from loratui.dataset.scan import Picture, Scan
from loratui.problems import Problem, UserError


def split(found: Scan, share: float, seed: int) -> tuple[Scan, tuple[Picture, ...]]:
    """The scan without what is kept, and what is kept, a ``share`` of it.

    Of each folder's shuffled list the first ceil(n x (1 - share)) pictures are trained on, and the last
    round(n x share) kept; regularization pictures are all trained on (sd-scripts
    library/train_util.py:130-167, 2045-2057). A share that is none (below 0, above 1) keeps nothing
    (library/config_util.py:497).

    Raises ``UserError`` when nothing is left to train on.
    """
    if not 0 < share <= 1:
        return found, ()
    trained: list[Picture] = []
    kept: list[Picture] = []
    for source in dict.fromkeys(picture.source for picture in found.train_pictures):
        pictures = [picture for picture in found.train_pictures if picture.source == source]
        Random(seed).shuffle(pictures)
        trained += pictures[: math.ceil(len(pictures) * (1 - share))]
        kept += pictures[len(pictures) - round(len(pictures) * share) :]
    if not trained:
        problem = Problem(
            "validation_split", f"{share:g} leaves no picture to train on.", "Use 0.1.", "value_range"
        )
        raise UserError(str(found.folder), problem)
    return replace(found, pictures=(*trained, *found.reg_pictures)), tuple(kept)
