"""Captions out of a tagger's tags: what is kept of them, in which order, and how a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from loratui.dataset.checking.finding import number
from loratui.dataset.history import Plan, Source, Written
from loratui.dataset.mending.entries import Entries, Entry
from loratui.dataset.pictures.probing import Cancelled
from loratui.dataset.tagger import CHARACTER, GENERAL, RATING, Tag, Tagger

if TYPE_CHECKING:
    from PIL import Image

_BATCH = 8
LEAST = 0.05
"""Less likely tags are not even remembered."""

_FACES = frozenset(
    {"0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3", "6_9"}
    | {">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||"}
)
"""Faces keep their underscores (SmilingWolf's demo, sd-scripts' tagger)."""

Mode = Literal["overwrite", "append", "missing"]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tags become words."""

    general: float = 0.35
    character: float = 0.35
    """Least probabilities (the default of sd-scripts for both; 0.85 is usual for characters in demos)."""
    undesired: frozenset[str] = frozenset()
    """With blanks or underscores, in lower case."""
    underscores: bool = False
    """Keep them; else they become blanks."""
    character_first: bool = True
    mode: Mode = "missing"
    """What becomes of captions there are; ``missing`` leaves them alone."""


def words(tags: Sequence[Tag], choice: Choice) -> list[str]:
    """The words for one picture, the likeliest first. Ratings and other categories never are words."""
    kept = []
    for tag in tags:
        least = {GENERAL: choice.general, CHARACTER: choice.character}.get(tag.category)
        if tag.category == RATING:
            continue
        if tag.probability < (choice.general if least is None else least):
            continue
        plain = tag.name.replace("_", " ")
        if {tag.name.lower(), plain.lower()} & choice.undesired:
            continue
        kept.append((tag.category, tag.name if choice.underscores or tag.name in _FACES else plain))
    if choice.character_first:
        kept.sort(key=lambda one: one[0] != CHARACTER)
    return [name for _, name in kept]


def caption(entry: Entry, tags: Sequence[Tag], choice: Choice) -> str:
    """The caption of a picture: its old words in front where they are appended to."""
    new = words(tags, choice)
    if choice.mode != "append":
        return ", ".join(new)
    old = list(entry.tags)
    known = {tag.lower() for tag in old}
    return ", ".join([*old, *(tag for tag in new if tag.lower() not in known)])


def wanted(entries: Entries, choice: Choice) -> list[Entry]:
    """The pictures to tag. Where ``variants`` has laid out the set, those of its folder for tags alone."""
    layout = [entry for entry in entries.all if entry.folder and entry.folder_words == "wd"]
    has_layout = layout and any(entry.folder_words == "empty" for entry in entries.all)
    return [
        entry
        for entry in (layout if has_layout else entries.all)
        if choice.mode != "missing" or not entry.text
    ]


def tag_all(
    entries: Entries,
    chosen: Sequence[Entry],
    tagger: Callable[[], Tagger],
    model: str,
    memory: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, list[Tag]]:
    """The tags of pictures by name. What was found is written down at once in the folder ``memory``, so
    that a run that was killed goes on where it was; ``tagger`` is called only when there is something to do.

    Raises ``Cancelled``. A picture that cannot be opened gets no tags.
    """
    memory.mkdir(parents=True, exist_ok=True)
    path = memory / f"tags-{hashlib.sha256(model.encode()).hexdigest()[:16]}.jsonl"
    known = dict(_remembered(path))
    keys = {entry.name: content_key(entries, entry) for entry in chosen}
    todo = [entry for entry in chosen if keys[entry.name] not in known]
    on_progress(len(chosen) - len(todo), len(chosen))
    if todo:
        model_at_work = tagger()
        with path.open("ab") as file:
            for start in range(0, len(todo), _BATCH):
                if cancelled():
                    raise Cancelled
                part = todo[start : start + _BATCH]
                opened = [(entry, picture) for entry in part if (picture := _open(entries, entry))]
                found = model_at_work.tag([picture for _, picture in opened], LEAST) if opened else []
                for (entry, _), tags in zip(opened, found, strict=True):
                    known[keys[entry.name]] = tags
                    line = json.dumps([keys[entry.name], [list(tag) for tag in tags]])
                    file.write(line.encode() + b"\n")
                file.flush()
                on_progress(len(chosen) - len(todo) + start + len(part), len(chosen))
    return {name: known[key] for name, key in keys.items() if key in known}


def plan_tags(entries: Entries, tags: dict[str, list[Tag]], choice: Choice, model: str) -> Plan:
    """A step with the captions that differ."""
    put: dict[str, Source] = {}
    for entry in entries.all:
        if entry.name not in tags:
            continue
        text = caption(entry, tags[entry.name], choice)
        if text and text != entry.text:
            put[entry.caption_name] = Written(text.encode("utf-8", "surrogateescape") + b"\n")
    told = f"{number(len(put), 'caption')} by {model.rstrip('/').rpartition('/')[2]}"
    return Plan(entries.base, "tag", told, put)


def _remembered(path: Path) -> Iterator[tuple[str, list[Tag]]]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        try:
            key, tags = json.loads(line)
            yield str(key), [Tag(str(name), int(kind), float(value)) for name, kind, value in tags]
        except (ValueError, TypeError):  # the line a kill cut short
            continue


def content_key(entries: Entries, entry: Entry) -> str:
    """Of a picture's content; the same picture in three folders is looked at once."""
    import xxhash

    digest = xxhash.xxh3_128()
    try:
        with (entries.base.root / entry.name).open("rb") as file:
            while data := file.read(1 << 20):
                digest.update(data)
    except OSError:
        return f"unreadable {entry.name}"
    return digest.hexdigest()


def _open(entries: Entries, entry: Entry) -> Image.Image | None:
    from PIL import Image

    try:
        with Image.open(entries.base.root / entry.name) as picture:
            return picture.convert("RGBA")
    except Exception:  # whatever is wrong with it, the check says it
        return None
