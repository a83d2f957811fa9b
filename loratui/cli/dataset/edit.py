"""Captions and tags of a whole set: ``dataset edit`` and ``dataset tags``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path

import click

from loratui.cli.dataset.plan import directory, finish, yes_option
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.dataset import history
from loratui.dataset.checking.finding import number
from loratui.dataset.mending import tag_edits, tag_filter
from loratui.dataset.mending.caption_plan import (
    CaptionPlan,
    CaptionWork,
    before_and_after,
    plan_captions,
    plan_drop,
    shown,
)
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.tag_edits import Edit
from loratui.dataset.mending.tag_table import tag_table

_EXAMPLES = 5
_LONGEST = 200
_TAGS = 40

Pairs = tuple[tuple[str, str], ...]

filter_option = click.option(
    "--filter",
    "wanted",
    default="",
    metavar="FILTER",
    help="Only pictures that fit: tag:red hair AND tokens:>75",
)


def _pairs(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Pairs:
    pairs = [value.partition("=") for value in values]
    if any(not sign or not old for old, sign, _ in pairs):
        raise click.BadParameter("write it as OLD=NEW", param=parameter)
    return tuple((old.strip(), new.strip()) for old, _, new in pairs)


@click.command()
@directory
@filter_option
@click.option("--normalise", is_flag=True, help="UTF-8, one line, commas and blanks in order.")
@click.option("--spaces", is_flag=True, help="Underscores in tags to blanks.")
@click.option("--replace", "replaced", multiple=True, metavar="OLD=NEW", callback=_pairs, help="Any text.")
@click.option("--rename", "renamed", multiple=True, metavar="OLD=NEW", callback=_pairs, help="A tag.")
@click.option("--remove", "removed", multiple=True, metavar="TAGS", help="Tags; * is anything.")
@click.option("--dedupe-tags", is_flag=True, help="Each tag once.")
@click.option(
    "--fill",
    default="",
    metavar="TEXT",
    help="Captions for pictures without; {name} {folder} {trigger} are filled in.",
)
@click.option("--set", "written", metavar="TEXT", help="Another caption altogether.")
@click.option("--add-end", multiple=True, metavar="TAGS", help="Add tags at the end.")
@click.option("--add-front", multiple=True, metavar="TAGS", help="Add tags in front.")
@click.option("--first", default="", metavar="TAG", help="Move the tag that is or holds this to the front.")
@click.option("--trigger", default="", metavar="WORD", help="The trigger word: in front of every caption.")
@click.option("--leave-out", is_flag=True, help="Leave out pictures the filter shows, with captions.")
@yes_option
@json_option
def edit(
    folder: Path,
    wanted: str,
    normalise: bool,
    spaces: bool,
    replaced: Pairs,
    renamed: Pairs,
    removed: tuple[str, ...],
    dedupe_tags: bool,
    fill: str,
    written: str | None,
    add_end: tuple[str, ...],
    add_front: tuple[str, ...],
    first: str,
    trigger: str,
    leave_out: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Change the captions of DIR, all or those a filter shows. What is asked for is done in the order of
    the options here.

    \b
    loratui dataset edit DIR --add-front "ohwx"
    loratui dataset edit DIR --filter "tag:1girl AND NOT tag:solo" --remove "blue eyes"
    loratui dataset edit DIR --filter "missing:" --fill "{trigger}, {folder}" --trigger ohwx
    loratui dataset edit DIR --filter "name:IMG_*" --leave-out

    \b
    A filter has terms: tag: first: caption: missing: tokens: tags: folder: name:
    and between them AND, OR, NOT and parentheses. tag:"hair (red)" in quotes where it holds one.
    """
    chosen = tag_filter.parse(wanted) if wanted.strip() else None
    edits, words = _edits(spaces, replaced, renamed, removed, dedupe_tags, add_end, add_front, first, trigger)
    if leave_out and (edits or normalise or fill or written is not None or chosen is None):
        raise click.UsageError("--leave-out stands alone with a --filter.")
    if not (edits or normalise or fill or written is not None or leave_out):
        if sys.stdin.isatty() and sys.stdout.isatty() and not as_json:
            from loratui.tui.dataset.open import open_tags

            raise click.exceptions.Exit(open_tags(folder, wanted))
        raise click.UsageError("Say what to do, for example --add-front ohwx (see --help).")
    entries = read_entries(history.begin(folder))
    meant = shown(entries, chosen)
    if leave_out:
        plan = plan_drop(entries, meant)
        lines = [entry.name for entry in meant[:_EXAMPLES]]
        finish(plan, yes, as_json, _more(lines, len(meant)), {"shown": [entry.name for entry in meant]})
        return
    work = CaptionWork(normalise, fill, written, edits, words, trigger)
    planned = plan_captions(entries, meant, work)
    finish(
        planned.plan,
        yes,
        as_json,
        preview(planned),
        {
            "shown": [entry.name for entry in meant],
            "changes": [asdict(change) for change in planned.changes],
            "guessed_encoding": planned.guessed,
        },
    )


def _edits(
    spaces: bool,
    replaced: Pairs,
    renamed: Pairs,
    removed: tuple[str, ...],
    dedupe_tags: bool,
    add_end: tuple[str, ...],
    add_front: tuple[str, ...],
    first: str,
    trigger: str,
) -> tuple[list[Edit], list[str]]:
    found: list[tuple[Edit, str]] = []
    if spaces:
        found.append((tag_edits.spaces, "underscores to blanks"))
    found += [(tag_edits.replace(old, new), f"{old!r} replaced by {new!r}") for old, new in replaced]
    found += [(tag_edits.rename(old, new), f"{old!r} renamed to {new!r}") for old, new in renamed]
    found += [(tag_edits.remove(tags), f"{tags!r} removed") for tags in removed]
    if dedupe_tags:
        found.append((tag_edits.dedupe, "each tag once"))
    found += [(tag_edits.add(tags, front=False), f"{tags!r} added at the end") for tags in add_end]
    found += [(tag_edits.add(tags, front=True), f"{tags!r} added in front") for tags in reversed(add_front)]
    if first:
        found.append((tag_edits.first(first), f"{first!r} moved to the front"))
    if trigger:
        found.append((tag_edits.lead(trigger), f"the trigger word {trigger!r} in front"))
    return [change for change, _ in found], [words for _, words in found]


def preview(planned: CaptionPlan) -> list[str]:
    """The first changes, before and after, and what a person should know of the rest."""
    changed = number(len(planned.changes), "caption")
    lines = [f"{number(len(planned.shown), 'picture')} shown; {changed} would change."]
    for change in planned.changes[:_EXAMPLES]:
        before, after = before_and_after(change)
        lines += ["", f"  {change.name}", f"    - {_short(before)}", f"    + {_short(after)}"]
    if len(planned.changes) > _EXAMPLES:
        lines += ["", f"  and {len(planned.changes) - _EXAMPLES:,} more (all with --json)"]
    if planned.guessed:
        lines += [
            "",
            f"{number(len(planned.guessed), 'caption')} not in UTF-8, read as Windows-1252. Is that right?",
            *(f"  {name}" for name in planned.guessed[:_EXAMPLES]),
        ]
    return [*lines, ""]


def _short(line: str) -> str:
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


def _more(lines: list[str], total: int) -> list[str]:
    return [f"  {line}" for line in lines] + (
        [f"  and {total - len(lines):,} more"] if total > len(lines) else []
    )


@click.command()
@directory
@filter_option
@click.option("--all", "every", is_flag=True, help=f"Every tag, not the {_TAGS} most frequent.")
@json_option
def tags(folder: Path, wanted: str, every: bool, as_json: bool) -> None:
    """How often each tag occurs in DIR, or in the pictures a filter shows."""
    chosen = tag_filter.parse(wanted) if wanted.strip() else None
    entries = read_entries(history.begin(folder))
    meant = shown(entries, chosen)
    found = tag_table(meant)
    if as_json:
        print_json(
            {
                "dataset": str(entries.base.source),
                "folder": str(entries.base.root),
                "images": len(meant),
                "captions": sum(entry.caption is not None for entry in meant),
                "tags": [{"tag": tag.tag, "count": tag.count, "meant": tag.meant} for tag in found],
            }
        )
        return
    for tag in found if every else found[:_TAGS]:
        data(f"{tag.count:>7,}  {tag.tag}" + (f"   (meant: {tag.meant}?)" if tag.meant else ""))
    say(f"{number(len(found), 'tag')} in {number(len(meant), 'picture')}.")
    if len(found) > _TAGS and not every:
        say(f"{len(found) - _TAGS:,} more with --all.")
