"""Whether the base model's files are still those that a training began with. No torch.

On a CPU the weights are read from where they lie on the disk, page by page, for as long as the system has no
copy of its own of a page. A file that is deleted, or replaced by another under its name, stays there for who
has it open; one that is written over changes the model beneath the training.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class _Seen:
    place: tuple[int, int]
    """Device and number of the file."""
    content: tuple[int, int]
    """Its size, and the time of its last change in nanoseconds."""


class BaseFiles:
    """The files of a model as they are now."""

    def __init__(self, model: Path | None = None) -> None:
        """``model``: a single file or a diffusers folder; None watches nothing."""
        files: Iterable[Path] = ()
        if model is not None:
            files = [model] if model.is_file() else sorted(model.glob("*/*.safetensors"))
        self._seen = {file: seen for file in files if (seen := _look(file))}

    def written_over(self) -> Path | None:
        """One that was written to since then, told once."""
        for file, before in self._seen.items():
            now = _look(file)
            if now is not None and now.place == before.place and now.content != before.content:
                del self._seen[file]
                return file
        return None


def _look(file: Path) -> _Seen | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return _Seen((found.st_dev, found.st_ino), (found.st_size, found.st_mtime_ns))
