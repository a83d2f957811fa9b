"""Numbers kept on disk beside the pictures, as sd-scripts' .npz files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from loratui.atomic import new_file


def read_arrays(path: Path, keys: Sequence[str]) -> list[Tensor] | None:
    """The arrays of those keys, None where the file does not hold them all."""
    try:
        with np.load(path) as opened:
            return [torch.from_numpy(opened[key]) for key in keys]
    except (OSError, ValueError, KeyError, EOFError, TypeError):
        return None
    except Exception as error:
        if type(error).__module__ in ("zipfile", "zlib"):  # damaged; these have no common class
            return None
        raise


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray], way_out: str) -> None:
    """Write them whole. Raises ``UserError`` with ``way_out`` when the disk refuses."""
    with new_file(path, way_out) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def is_older(path: Path, source: Path) -> bool:
    """Whether a file was written before the one it was made from changed, or either is gone."""
    try:
        return path.stat().st_mtime < source.stat().st_mtime
    except OSError:
        return True
