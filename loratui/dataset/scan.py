"""Which pictures a trainer will take from a folder, and how large they are.

Sizes come from the files' headers; no pixel is decoded, and EXIF rotation is not applied, since
sd-scripts does not apply it either (library/train_util.py:2948).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from loratui.dataset.layout import is_picture_name, list_folder, read_layout
from loratui.dataset.names import stem_of, suffix_of
from loratui.problems import UserError, refusal

LIKELY_PICTURES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif"}
    | {".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".psd"}
)
"""Suffixes, in any case, that a person takes for a picture though the trainer may not."""


@dataclass(frozen=True, slots=True)
class Source:
    """One folder of pictures, and what is the same for all of them."""

    folder: Path
    repeats: int
    """How often each of its pictures is shown in an epoch; below 1 none is."""
    class_tokens: str
    """The caption of pictures that have no caption file."""
    is_regularization: bool = False
    caption_extension: str = ".txt"
    metadata: Path | None = None
    """A file that names the pictures and has their captions, in place of what lies in the folder."""
    separator: str = ","
    """Between caption and tags of ``metadata``."""
    wildcards: bool = False
    """Whether all lines of its captions are kept."""

    @property
    def key(self) -> Path:
        """What makes two sources the same."""
        return self.metadata or self.folder


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture that takes part in training."""

    path: Path
    width: int
    """Pixels as stored, before any EXIF rotation."""
    height: int
    repeats: int
    """Its folder's own number; see ``used_repeats`` for what regularization pictures come to."""
    caption_path: Path | None
    class_tokens: str
    """The caption when there is no caption file."""
    is_regularization: bool
    source: int = 0
    """Which of the sources it lies in."""


@dataclass(frozen=True, slots=True)
class Scan:
    """The pictures below a folder, in the order in which sd-scripts registers them."""

    folder: Path
    pictures: tuple[Picture, ...]
    unreadable: tuple[Path, ...]
    """Counted as pictures by name, but no size can be read; sd-scripts ends with an error on them."""
    ignored: tuple[Path, ...]
    """Files and folders that look as if they counted, and do not."""

    @property
    def train_pictures(self) -> tuple[Picture, ...]:
        return tuple(picture for picture in self.pictures if not picture.is_regularization)

    @property
    def reg_pictures(self) -> tuple[Picture, ...]:
        return tuple(picture for picture in self.pictures if picture.is_regularization)

    @property
    def captioned(self) -> tuple[Picture, ...]:
        """Training pictures with a caption file of their own."""
        return tuple(picture for picture in self.train_pictures if picture.caption_path is not None)


def scan(
    folder: Path,
    regularization: Path | None = None,
    caption_extension: str = ".txt",
    *,
    latent_suffix: str = "",
) -> Scan:
    """Every picture below ``folder`` and ``regularization``, with its size.

    ``latent_suffix`` is the ending of sd-scripts' cached latents for one script (``_sd.npz``): their
    names carry a size that overrides the picture's own, even when caching is off. Left empty, such
    files are passed over.

    Raises ``UserError`` for a folder that ``read_layout`` refuses, and when there is no training picture.
    """
    sources: list[Source] = []
    ignored: list[Path] = []
    for root, is_regularization in ((folder, False), (regularization, True)):
        if root is None:
            continue
        layout = read_layout(root)
        ignored += layout.ignored
        sources += [
            Source(subset.folder, subset.repeats, subset.class_tokens, is_regularization, caption_extension)
            for subset in layout.subsets
        ]
    return scan_sources(folder, sources, ignored, latent_suffix=latent_suffix)


def scan_sources(
    folder: Path, sources: Sequence[Source], ignored: Sequence[Path] = (), *, latent_suffix: str = ""
) -> Scan:
    """Every picture of the sources, in their order; ``folder`` is what a person knows them by, and
    ``ignored`` what was passed over already. Raises ``UserError`` when there is no training picture."""
    pictures: list[Picture] = []
    unreadable: list[Path] = []
    passed: list[Path] = list(ignored)
    taken: set[Path] = set()
    for number, source in enumerate(sources):
        # A folder given twice counts once, as what it came up as first (train_util.py:2117-2127).
        if source.repeats < 1 or source.key in taken:
            continue
        if source.metadata is not None:
            taken.add(source.key)
            pictures += _listed(number, source, unreadable)
            continue
        found = _Folder(number, source, latent_suffix)
        if found.names:
            taken.add(source.key)
        pictures += found.pictures(unreadable)
        passed += found.ignored
    result = Scan(folder, tuple(pictures), tuple(unreadable), tuple(passed))
    if not result.train_pictures:
        raise _no_pictures(result)
    return result


def _listed(number: int, source: Source, unreadable: list[Path]) -> Iterator[Picture]:
    """The pictures that a file of metadata names; their captions stand in it."""
    from loratui.dataset import metadata_file

    assert source.metadata is not None
    entries = list(
        metadata_file.captions(
            source.metadata,
            None if source.folder == Path() else source.folder,
            source.separator,
            wildcards=source.wildcards,
        )
    )
    sizes = picture_sizes(path for path, _ in entries)
    for (path, caption), size in zip(entries, sizes, strict=True):
        if size is None:
            unreadable.append(path)
        else:
            yield Picture(path, *size, source.repeats, None, caption, source.is_regularization, number)


class _Folder:
    """What lies in one folder."""

    def __init__(self, number: int, source: Source, latent_suffix: str) -> None:
        self.source = source
        self.names: list[str] = []
        self.ignored: list[Path] = []
        self._number = number
        latents: list[str] = []
        for entry in list_folder(source.folder):
            name = entry.name
            if is_picture_name(name):
                self.names.append(name)
            elif name.startswith("."):
                continue
            elif latent_suffix and name.endswith(latent_suffix):
                latents.append(name)
            elif _looks_like_picture(entry):
                self.ignored.append(source.folder / name)
        self.names.sort()
        self._sizes = sizes_from_latents(self.names, latents)

    def pictures(self, unreadable: list[Path]) -> Iterator[Picture]:
        """The pictures in order; those without a size are added to ``unreadable``."""
        source = self.source
        paths = [source.folder / name for name in self.names]
        for path, size in zip(paths, picture_sizes(paths), strict=True):
            size = self._sizes.get(path.name, size)
            if size is None:
                unreadable.append(path)
                continue
            yield Picture(
                path,
                *size,
                source.repeats,
                find_caption(path, source.caption_extension),
                source.class_tokens,
                source.is_regularization,
                self._number,
            )


def picture_sizes(paths: Iterable[Path]) -> Iterator[tuple[int, int] | None]:
    """(width, height) in pixels of each file from its header; None where there is none to read."""
    from PIL import Image  # 40 ms: only when a folder is read

    for path in paths:
        if not path.is_file():  # opening a pipe would wait for ever
            yield None
            continue
        with warnings.catch_warnings():
            # A picture above 89 megapixels only draws a warning in training as well.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            try:
                with Image.open(path) as picture:
                    size = picture.size
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                yield None
                continue
        yield size if min(size) > 0 else None


def find_caption(path: Path, extension: str) -> Path | None:
    """The caption file of a picture, or None.

    Like sd-scripts (train_util.py:1948): the same stem first; then, when the whole path has five or
    more parts between underscores, the path without its last four (names of face crops).
    """
    stem = stem_of(str(path))  # on the whole path, as the trainer does
    candidates = [stem + extension]
    parts = stem.split("_")
    if len(parts) >= 5:
        candidates.append("_".join(parts[:-4]) + extension)
    return next((found for found in map(Path, candidates) if found.is_file()), None)


def sizes_from_latents(names: list[str], latents: list[str]) -> Mapping[str, tuple[int, int]]:
    """Sizes that cached latents force on pictures of one folder (facts: train_util.py:2001-2029).

    ``names`` are sorted. A picture takes the first latents file, in order of stems, that begins with
    its own stem: ``i10_0064x0064_sd.npz`` also speaks for ``i1.png``.
    """
    latents = sorted(latents, key=lambda name: name.rsplit("_", maxsplit=2)[0])
    sizes: dict[str, tuple[int, int]] = {}
    at = 0
    for name in names:
        stem = stem_of(name)
        while at < len(latents) and latents[at][: len(stem)] < stem:
            at += 1
        if at < len(latents) and latents[at].startswith(stem):
            size = _size_in_name(latents[at])
            if size is not None:
                sizes[name] = size
    return sizes


def _size_in_name(name: str) -> tuple[int, int] | None:
    try:
        width, height = name.split("_")[-2].split("x")
        return int(width), int(height)
    except (IndexError, ValueError):
        return None


def _looks_like_picture(entry: os.DirEntry[str]) -> bool:
    if suffix_of(entry.name).lower() in LIKELY_PICTURES:
        return True
    try:
        return entry.is_dir()
    except OSError:
        return False


def _no_pictures(found: Scan) -> UserError:
    if found.unreadable:
        first = found.unreadable[0]
        message = f"none of its pictures can be read; the first is {first.parent.name}/{first.name}."
        return refusal(found.folder, message, "Copy the pictures here once more.", "image_corrupt")
    message = "the folders hold no picture the trainer takes (png, jpg, jpeg, webp, bmp)."
    fix = "Put pictures into them."
    if found.ignored:
        fix = f"Convert or rename what lies there, for example {found.ignored[0].name}."
    return refusal(found.folder, message, fix, "no_data")
