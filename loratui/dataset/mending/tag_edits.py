"""Changes of one caption, as pure functions on its text."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loratui.dataset import caption_text
from loratui.dataset.mending.tag_filter import same_tag, tag_matcher

Edit = Callable[[str], str]
"""A caption's first line to another."""


def split(text: str) -> list[str]:
    """The tags of a caption: what stands between commas, without blanks around and without empty ones."""
    return [tag for part in text.split(",") if (tag := part.strip())]


def join(tags: Sequence[str]) -> str:
    """A caption of tags."""
    return ", ".join(tags)


def add(words: str, *, front: bool) -> Edit:
    """Add tags in front or at the end; those the caption has already stay where they are."""
    new = split(words)

    def edit(text: str) -> str:
        have = {same_tag(tag) for tag in split(text)}
        fresh = [tag for tag in new if same_tag(tag) not in have]
        if not fresh:
            return text
        rest = text.strip().strip(",").strip()
        parts = [join(fresh), rest] if front else [rest, join(fresh)]
        return join([part for part in parts if part])

    return edit


def remove(words: str) -> Edit:
    """Remove tags; ``*`` and ``?`` stand for anything."""
    matchers = [tag_matcher(tag) for tag in split(words)]

    def edit(text: str) -> str:
        tags = split(text)
        kept = [tag for tag in tags if not any(matches(tag) for matches in matchers)]
        return join(kept) if len(kept) < len(tags) else text

    return edit


def rename(old: str, new: str) -> Edit:
    """Call a tag something else; where the caption has the new one already, the old one goes."""
    matches = tag_matcher(old)

    def edit(text: str) -> str:
        tags = split(text)
        if not any(map(matches, tags)):
            return text
        meant = {same_tag(tag) for tag in split(new)}
        others = {same_tag(tag) for tag in tags if not matches(tag)}
        found: list[str] = []
        done = False
        for tag in tags:
            if not matches(tag):
                found.append(tag)
            elif not done:
                done = True
                found += [word for word in split(new) if same_tag(word) not in others & meant]
        return join(found)

    return edit


def replace(old: str, new: str) -> Edit:
    """Replace text, wherever in the caption it stands."""
    return lambda text: text.replace(old, new).strip()


def dedupe(text: str) -> str:
    """Each tag once, where it first stands. Spellings that differ in case or ``_`` are one tag."""
    seen: dict[str, str] = {}
    tags = split(text)
    for tag in tags:
        seen.setdefault(same_tag(tag), tag)
    return join(list(seen.values())) if len(seen) < len(tags) else text


def first(word: str) -> Edit:
    """Move the tag that is or holds a word to the front. A caption without it stays as it is."""

    def edit(text: str) -> str:
        tags = split(text)
        wanted = same_tag(word)
        at = next((at for at, tag in enumerate(tags) if same_tag(tag) == wanted), None)
        if at is None:
            at = next((at for at, tag in enumerate(tags) if caption_text.holds(tag, word)), 0)
        return join([tags[at], *tags[:at], *tags[at + 1 :]]) if at else text

    return edit


def lead(trigger: str) -> Edit:
    """Bring a trigger word to the front, from wherever it stands, or as a new tag. In a sentence that holds
    it, it may stand where it stands."""
    to_front, added = first(trigger), add(trigger, front=True)

    def edit(text: str) -> str:
        if not caption_text.holds(text, trigger):
            return added(text)
        return text if caption_text.style(text) == "sentence" else to_front(text)

    return edit


def spaces(text: str) -> str:
    """Underscores to blanks, as SDXL's and later taggers' models want them; faces like ^_^ stay."""
    return (
        join([tag if len(tag) <= 3 else tag.replace("_", " ") for tag in split(text)])
        if "_" in text
        else text
    )


def tidy(text: str) -> str:
    """Blanks single, commas with one blank behind, none left over at the ends."""
    words = " ".join(text.split())
    if "," not in words:
        return words
    return join(split(words))
