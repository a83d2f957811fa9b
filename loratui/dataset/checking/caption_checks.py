"""Findings about captions: what ends the trainer, what it never reads, and words that do not fit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from loratui.dataset import caption_text
from loratui.dataset.caption_text import Caption
from loratui.dataset.checking import thresholds
from loratui.dataset.checking.finding import Finding, number, says
from loratui.dataset.checking.folder_checks import printable
from loratui.dataset.layout import VARIANTS, parse_repeats
from loratui.dataset.scan import find_caption
from loratui.dataset.tree import Tree
from loratui.formats import clip_tokens
from loratui.recipe.document import FamilyName


@dataclass(frozen=True)
class Captions:
    """The captions of a set."""

    extension: str
    of: Mapping[Path, Caption]
    """By training picture, those that have one."""
    missing: tuple[Path, ...]
    """Training pictures without one."""
    orphans: tuple[Path, ...]
    """Files that are the caption of no picture."""

    @cached_property
    def read(self) -> tuple[Caption, ...]:
        """Each caption once, those with words."""
        seen = {caption.path: caption for caption in self.of.values() if caption.text}
        return tuple(seen.values())


def read_captions(tree: Tree) -> Captions:
    """Read the captions of a tree: of the extension that is known, else ``.txt``, or ``.caption`` where more
    pictures have that. A folder that dataset_config gives a class in place of captions misses none."""
    names = {path for group in tree.groups for path in group.captions}
    counts = Counter(path.suffix for path in names)
    guessed = ".caption" if counts[".caption"] > counts[".txt"] else ".txt"
    extension = next((group.extension for group in tree.groups if group.extension), guessed)
    used: set[Path] = set()
    of: dict[Path, Caption] = {}
    missing: list[Path] = []
    for group in tree.groups:
        if group.metadata:
            continue
        without: list[Path] = []
        for picture in group.pictures:
            path = find_caption(picture, group.extension or guessed)
            if path is not None:
                used.add(path)
            if group.is_regularization:
                continue
            if path is None:
                without.append(picture)
            else:
                of[picture] = caption_text.read(path)
        meant = tree.kind == "config" and group.class_tokens and len(without) == len(group.pictures)
        missing += [] if meant else without
    pictures = {path.with_suffix("") for path in tree.every_picture}
    orphans = sorted(path for path in names - used if path.with_suffix("") not in pictures)
    return Captions(extension, of, tuple(dict.fromkeys(missing)), tuple(orphans))


def caption_findings(
    captions: Captions, trigger: str = "", family: FamilyName | None = None
) -> list[Finding]:
    """Everything the captions show. ``family`` None: the model is not known."""
    return [
        *_files(captions),
        *_lengths(captions, family),
        *_style(captions, family),
        *_trigger(captions, trigger.strip()),
        *_tags(captions, trigger.strip()),
    ]


def _files(captions: Captions) -> Iterator[Finding]:
    everything = {caption.path: caption for caption in captions.of.values()}.values()

    def files(*states: str) -> tuple[str, ...]:
        return tuple(str(caption.path) for caption in everything if caption.state in states)

    if captions.missing:
        total = len(captions.missing) + len(captions.of)
        most = len(captions.missing) > thresholds.CAPTIONS_MISSING_ERROR * total
        yield Finding(
            "caption_missing",
            "error" if most else "warning",
            tuple(map(str, captions.missing)),
            f"{len(captions.missing):,} of {number(total, 'picture')}"
            f" {says(len(captions.missing), 'has', 'have')} no caption file; the trainer takes the words of"
            " the folder's name, or none.",
            f"Write a {captions.extension} of the same name for each, by hand or with a tagger.",
        )
    if found := files("empty"):
        yield Finding(
            "caption_empty",
            "error",
            found,
            f"{number(len(found), 'caption file')} of 0 bytes: the trainer ends with an error on it.",
            "Write a caption into it, or delete it.",
        )
    # In a folder named for it the empty caption is meant.
    if found := tuple(name for name in files("blank") if not _is_for_empty(Path(name).parent.name)):
        yield Finding(
            "caption_empty",
            "warning",
            found,
            f"{number(len(found), 'caption')} with an empty first line, which is all the trainer reads.",
            "Write the caption into the first line.",
        )
    if found := files("not_utf8", "unreadable"):
        yield Finding(
            "caption_not_utf8",
            "error",
            found,
            f"{number(len(found), 'caption')} that cannot be read as UTF-8 text: the trainer ends with an"
            " error on it.",
            "Save it as UTF-8, readable for your user.",
        )
    if found := files("marked"):
        yield Finding(
            "caption_not_utf8",
            "warning",
            found,
            f"{number(len(found), 'caption')} with a byte order mark in front, which becomes part of the"
            " first tag.",
            "Save it as UTF-8 without BOM.",
        )
    if found := tuple(str(caption.path) for caption in everything if caption.lines > 1):
        yield Finding(
            "caption_multiline",
            "warning",
            found,
            f"{number(len(found), 'caption')} of several lines; the trainer reads the first alone.",
            "Join the lines with commas.",
        )
    if captions.orphans:
        yield Finding(
            "caption_orphan",
            "warning",
            tuple(map(str, captions.orphans)),
            f"{number(len(captions.orphans), 'caption file')} without a picture of that name.",
            "Rename it like its picture (upper and lower case count), or delete it.",
        )


def _is_for_empty(folder: str) -> bool:
    return (parse_repeats(folder) or (0, ""))[1] == VARIANTS[0]


def _lengths(captions: Captions, family: FamilyName | None) -> Iterator[Finding]:
    if family is not None and family not in thresholds.CLIP_FAMILIES:
        return
    shortest, middle, longest = thresholds.TOKEN_LIMITS
    # A token is at least a byte, so short captions need no counting.
    long = [caption for caption in captions.read if len(caption.text.encode()) > shortest]
    counts = {caption.path: clip_tokens.count(caption.text) for caption in long}
    found = tuple(str(path) for path, count in counts.items() if count > shortest)
    if not found:
        return
    most = max(counts.values())
    if most > longest:
        cut = sum(count > longest for count in counts.values())
        what = f"of {cut:,} even the most the trainer can read ({longest})"
        fix = f"Shorten them to {longest} tokens, and set max_token_length = {longest}."
    else:
        what = f"the longest has {most}"
        fix = f"Set max_token_length = {middle if most <= middle else longest}, or shorten them."
    yield Finding(
        "caption_too_long",
        "warning",
        found,
        f"{number(len(found), 'caption')} of more than {shortest} CLIP tokens, {what}; what is over the limit"
        " is cut off.",
        fix,
    )


def _style(captions: Captions, family: FamilyName | None) -> Iterator[Finding]:
    styles = {caption.path: caption.style for caption in captions.read}
    sentences = [str(path) for path, style in styles.items() if style == "sentence"]
    tags = [str(path) for path, style in styles.items() if style == "tags"]
    known = len(sentences) + len(tags)
    if family in thresholds.TAG_FAMILIES and len(sentences) > thresholds.STYLE_SHARE * known:
        yield Finding(
            "caption_style",
            "warning",
            tuple(sentences),
            f"{number(len(sentences), 'caption')} {says(len(sentences), 'is a sentence', 'are sentences')};"
            f" {family} models of the booru kind learned from tags between commas.",
            "Tag them with a WD14 tagger, unless your base model was trained on sentences.",
        )
    elif family in thresholds.SENTENCE_FAMILIES and len(tags) > thresholds.STYLE_SHARE * known:
        yield Finding(
            "caption_style",
            "warning",
            tuple(tags),
            f"{number(len(tags), 'caption')} {says(len(tags), 'is a list', 'are lists')} of tags; {family}"
            " models learned from sentences.",
            "Describe them in sentences, by hand or with a captioner.",
        )
    elif family is None and min(len(sentences), len(tags)) > thresholds.STYLE_SHARE * known:
        fewer, what = (sentences, "sentences") if len(sentences) <= len(tags) else (tags, "lists of tags")
        yield Finding(
            "caption_style",
            "info",
            tuple(fewer),
            f"{len(fewer):,} of {number(known, 'caption')} are {what}, the others are not.",
            "Write all in the style your base model learned from: tags for SD 1.5 and SDXL, else sentences.",
        )


def _trigger(captions: Captions, trigger: str) -> Iterator[Finding]:
    if not trigger or not captions.read:
        return
    without = [
        str(caption.path) for caption in captions.read if not caption_text.holds(caption.text, trigger)
    ]
    shown = printable(trigger)
    if without:
        yield Finding(
            "trigger_missing",
            "warning",
            tuple(without),
            f"{len(without):,} of {number(len(captions.read), 'caption')} without the trigger word {shown}:"
            " what such pictures show is not tied to it.",
            f"Put {shown} in front of each.",
        )
    late = [
        str(caption.path)
        for caption in captions.read
        if caption.style == "tags"
        and caption_text.holds(caption.text, trigger)
        and not caption_text.holds(caption.tags[0] if caption.tags else "", trigger)
    ]
    if late:
        yield Finding(
            "trigger_not_first",
            "warning",
            tuple(late),
            f"{number(len(late), 'caption')} {says(len(late), 'has', 'have')} the trigger word {shown} behind"
            " other tags; shuffling with keep_tokens = 1 then keeps the wrong one in front.",
            f"Move {shown} to the front.",
        )


def _tags(captions: Captions, trigger: str) -> Iterator[Finding]:
    tagged = [caption for caption in captions.read if caption.style != "sentence"]
    where: dict[str, list[Path]] = {}
    for caption in tagged:
        for tag in dict.fromkeys(tag.lower() for tag in caption.tags):
            where.setdefault(tag, []).append(caption.path)
    counts = {tag: len(paths) for tag, paths in where.items()}
    for wrong, meant in caption_text.typos(counts, thresholds.COMMON_TAG, thresholds.TYPO_LENGTH).items():
        yield Finding(
            "tag_typo",
            "info",
            (str(where[wrong][0]),),
            f'The tag "{printable(wrong)}" stands in one caption only, and is a letter away from'
            f' "{printable(meant)}", which stands in {counts[meant]:,}.',
            f'Write "{printable(meant)}" if that is what was meant.',
        )
    if len(tagged) < thresholds.EVERYWHERE_FEWEST:
        return
    # Without a trigger word given, a tag that always comes first is likely one.
    first = {caption.tags[0].lower() for caption in tagged if caption.tags}
    excused = {trigger.lower()} if trigger else first if len(first) == 1 else set()
    for tag, count in counts.items():
        if count == len(tagged) and tag not in excused and not (trigger and caption_text.holds(tag, trigger)):
            yield Finding(
                "tag_everywhere",
                "info",
                tuple(map(str, where[tag])),
                f'The tag "{printable(tag)}" stands in every caption, so it means the same as the trigger'
                " word to the LoRA.",
                "Remove it if it belongs to what the trigger word shall stand for; else it is fine.",
            )
