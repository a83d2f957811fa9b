"""The base models that loratui knows by name: ``presets/models.toml``, read and typed. Touches no network."""

from __future__ import annotations

from functools import cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import msgspec

from loratui import places
from loratui.models.prediction import Prediction
from loratui.problems import Problem, UserError, nearest

GB = 10**9
_Size = Annotated[float, msgspec.Meta(gt=0)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another file that the trainer needs besides the model."""

    key: str
    """The key of config.toml that names it."""
    repo: str
    file: str
    size: _Size | None = None
    """GB; None where no source tells."""


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model. What no source tells is None or empty."""

    name: str
    title: str
    family: str
    """A name of ``families.FAMILIES``, or of a family that is only told apart."""
    file: str
    """Its path in the repository; the last part is its name on this disk."""
    repo: str = ""
    """On huggingface.co."""
    civitai_version: int | None = None
    page: str = ""
    beside: tuple[str, ...] = ()
    """Small files of the same repository that belong beside it."""
    part: tuple[Part, ...] = ()
    sha256: str = ""
    """All of it, or as many digits as are published."""
    size: _Size | None = None
    """GB."""
    licence: str = ""
    gated: bool = False
    """Its page asks to accept the licence before a download."""
    prediction: Prediction
    zero_terminal_snr: bool = False
    clip_skip: int | None = None
    resolution: int
    captions: Literal["tags", "sentences", "both"]
    quality: str = ""
    """Words its page wants in front of a prompt."""
    words: str = ""

    @property
    def url(self) -> str:
        """Its page, for a browser."""
        if self.page:
            return self.page
        return f"https://huggingface.co/{self.repo}" if self.repo else ""

    @property
    def total_gb(self) -> float | None:
        """All files together; None where the size of the largest is not known."""
        if self.size is None:
            return None
        return self.size + sum(part.size or 0.0 for part in self.part)


@cache
def catalogue() -> dict[str, Entry]:
    """All of them by name, in the order of the file."""
    from loratui.tomlfile import read_toml

    document = read_toml(places.presets_folder() / "models.toml")
    return {
        name: msgspec.convert({"name": name, **values}, Entry, strict=False)
        for name, values in document.items()
    }


def find(name: str) -> Entry:
    """The model of a name. Raises ``UserError`` naming the nearest."""
    found = catalogue().get(name)
    if found is None:
        fix = nearest(name, catalogue()) or "See all of them: loratui models"
        raise UserError("", Problem("", f"the catalogue has no model {name!r}.", fix))
    return found


def place_of(file: str) -> Path:
    """Where a file of a repository lies on this disk once it is here."""
    return places.models_folder() / PurePosixPath(file).name


def path_of(entry: Entry) -> Path:
    """Where the model itself lies once it is here."""
    return place_of(entry.file)


def missing(entry: Entry) -> tuple[str, ...]:
    """Its files, by their paths in the repositories, that are not on this disk."""
    files = (entry.file, *entry.beside, *(part.file for part in entry.part))
    return tuple(file for file in files if not place_of(file).is_file())
