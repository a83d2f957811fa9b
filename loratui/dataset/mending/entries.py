"""A set as the operations on captions see it: each picture with its caption."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cached_property

from loratui.dataset.caption_text import Caption
from loratui.dataset.checking.caption_checks import read_captions
from loratui.dataset.history import Base
from loratui.dataset.layout import parse_repeats
from loratui.dataset.mending.decoding import decode
from loratui.dataset.names import folder_of, last_part, stem_of
from loratui.dataset.tree import read_tree
from loratui.formats import clip_tokens


@dataclass(frozen=True)
class Entry:
    """One training picture."""

    name: str
    """Of the picture, relative to the set."""
    caption_name: str
    """Of its caption file, there or not."""
    caption: Caption | None
    """None: there is no file."""

    @property
    def text(self) -> str:
        """What the trainer reads of the caption; empty when there is none."""
        return self.caption.text if self.caption else ""

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """What stands between commas."""
        return self.caption.tags if self.caption else ()

    @cached_property
    def tokens(self) -> int:
        """CLIP tokens, without the marks of start and end."""
        return clip_tokens.count(self.text) if self.text else 0

    @property
    def folder(self) -> str:
        """The folder it lies in, relative to the set; empty for the set's own."""
        return folder_of(self.name)

    @property
    def folder_words(self) -> str:
        """The folder's name without its number."""
        last = last_part(self.folder)
        return (parse_repeats(last) or (1, last))[1]

    @property
    def stem(self) -> str:
        """The picture's name without folder and ending."""
        return stem_of(last_part(self.name))


@dataclass(frozen=True, slots=True)
class Entries:
    """All training pictures of a set, in order."""

    base: Base
    extension: str
    """Of captions: ``.txt`` or ``.caption``."""
    all: tuple[Entry, ...]


def read_entries(base: Base) -> Entries:
    """Read the captions of a set. Raises ``UserError`` when its folder cannot be listed."""
    tree = read_tree(base.root)
    captions = read_captions(tree)
    known = base.listing.files
    entries: list[Entry] = []
    for picture in tree.pictures:
        name = _name(base, str(picture))
        if name not in known:  # deeper than a set goes
            continue
        caption = captions.of.get(picture)
        if caption is not None and caption.state == "not_utf8":
            caption = _guessed(caption)
        stem = stem_of(name)
        caption_name = _name(base, str(caption.path)) if caption else stem + captions.extension
        entries.append(Entry(name, caption_name, caption))
    return Entries(base, captions.extension, tuple(entries))


def _guessed(caption: Caption) -> Caption:
    """What a caption says that the trainer cannot read, so that it can be found and mended."""
    try:
        text = decode(caption.path.read_bytes()).text
    except OSError:
        return caption
    return replace(caption, text=re.split(r"[\r\n]", text)[0].strip())


def _name(base: Base, path: str) -> str:
    return path[len(str(base.root)) :].lstrip("/")
