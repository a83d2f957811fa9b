"""Tags and captions as rows of a list, and as the lines below it. Pure."""

from __future__ import annotations

from loratui.dataset.checking.thresholds import TOKEN_LIMITS
from loratui.dataset.mending.caption_plan import CaptionPlan, Change, before_and_after
from loratui.dataset.mending.entries import Entry
from loratui.dataset.mending.tag_table import TagCount
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, clip_path, column, number, plain
from loratui.tui.widgets.rows import Row

_EXAMPLES = 60
_BAR = 12


def tag_row(tag: TagCount, most: int, pictures: int, width: int) -> Row:
    """How often a tag occurs, as a number, a share and a bar; ``most`` is the longest bar."""
    signs = glyphs()
    bar = signs.bar_full * max(1, round(_BAR * tag.count / max(1, most)))
    name = max(16, width - 2 - 8 - 7 - _BAR - 4)
    return (
        (f"{tag.count:>6,}  ", "strong"),
        (f"{100 * tag.count / max(1, pictures):>4.0f} % ", "dim"),
        (f"{bar:<{_BAR}}  ", "dim"),
        (clip(plain(tag.tag) + (f"   {signs.unusual} {plain(tag.meant)}?" if tag.meant else ""), name), ""),
    )


def caption_row(entry: Entry, text: str, *, edited: bool, width: int) -> Row:
    """A picture and its caption as it stands now."""
    name = min(28, max(12, width // 3))
    mark = "*" if edited else " "
    if not text:
        words = ("(no caption)" if entry.caption is None else "(empty)", "warn")
    else:
        words = (clip(plain(text), width - name - 6), "")
    return ((f"{mark}{column(clip_path(entry.name, name), name)}  ", "strong"), words)


def about_tag(tag: TagCount, pictures: int) -> str:
    """A tag in words, and what it was probably meant to be."""
    words = f"{plain(tag.tag)}: in {tag.count:,} of {number(pictures, 'picture')}"
    if tag.meant:
        words += f"\nOne letter away from {plain(tag.meant)}, which is common: r renames it."
    return words


def about_caption(entry: Entry, text: str) -> str:
    """A picture's name and length of caption, and the caption whole."""
    return f"{clip_path(entry.name, 50)}   {_tokens(entry)}\n{plain(text)}"


def _tokens(entry: Entry) -> str:
    shortest = TOKEN_LIMITS[0]
    count = entry.tokens
    return f"{count} tokens" + (f" {glyphs().unusual} more than {shortest}" if count > shortest else "")


def change_lines(changes: tuple[Change, ...]) -> list[str]:
    """The first changes of captions, each before and after."""
    lines: list[str] = []
    for change in changes[:_EXAMPLES]:
        before, after = before_and_after(change)
        lines += [change.name, f"  - {before}", f"  + {after}", ""]
    if len(changes) > _EXAMPLES:
        lines.append(f"and {len(changes) - _EXAMPLES:,} more")
    return lines


def plan_lines(planned: CaptionPlan) -> list[str]:
    """What a plan changes, and first what a person should look at."""
    lines = change_lines(planned.changes)
    if planned.guessed:
        guessed = number(len(planned.guessed), "caption")
        return [f"{guessed} not in UTF-8, read as Windows-1252: see that the words are right.", "", *lines]
    return lines
