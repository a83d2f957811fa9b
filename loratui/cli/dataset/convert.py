"""``loratui dataset convert`` and ``arrange``: formats and pixels, folders and names."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import get_args

import click

from loratui.cli.dataset.plan import directory, end_progress, finish, looking, yes_option
from loratui.cli.options import json_option
from loratui.dataset import history
from loratui.dataset.arrange import REPEATS
from loratui.dataset.checking.finding import number
from loratui.dataset.mending.convert import REASONS, Reason, plan_conversion
from loratui.dataset.mending.flatten import Format
from loratui.dataset.mending.tidy_names import plan_arrange

_EXAMPLES = 12


@click.command()
@directory
@click.option(
    "--background", default="white", show_default=True, help="Under transparent parts: name or #rrggbb."
)
@click.option("--format", "form", type=click.Choice(get_args(Format)), help="For all that is converted.")
@click.option("--only", multiple=True, type=click.Choice(list(REASONS)), help="Only this; may be repeated.")
@yes_option
@json_option
def convert(
    folder: Path, background: str, form: Format | None, only: tuple[Reason, ...], yes: bool, as_json: bool
) -> None:
    """Make every picture of DIR one that the trainer sees as you do: ignored formats and endings, EXIF
    rotation, transparency, CMYK, 16 bits, animations; leave out what cannot be opened.

    A JPEG stays a JPEG (quality 95), everything else becomes a PNG, unless --format says otherwise.
    """
    from PIL import ImageColor

    try:
        ImageColor.getrgb(background)
    except ValueError:
        raise click.BadParameter(
            f"{background!r} is no colour, like white or #808080", param_hint="--background"
        ) from None
    found = plan_conversion(
        history.begin(folder),
        background=background,
        form=form,
        only=frozenset(only or REASONS),
        on_progress=looking,
    )
    end_progress()
    lines = [
        f"  {one.name}"
        + (f" -> {one.target.rpartition('/')[2]}" if one.target else "")
        + f"   ({', '.join(REASONS[reason] for reason in one.reasons)})"
        for one in found.conversions[:_EXAMPLES]
    ]
    if len(found.conversions) > _EXAMPLES:
        lines.append(f"  and {len(found.conversions) - _EXAMPLES:,} more (all with --json)")
    lines += [f"  {name}   (left alone: it cannot be opened here)" for name in found.left_alone[:_EXAMPLES]]
    if found.cost:
        lines.append(f"  {found.cost} (--format png)")
    finish(
        found.plan,
        yes,
        as_json,
        lines,
        {"conversions": [asdict(one) for one in found.conversions], "left_alone": found.left_alone},
    )


@click.command()
@directory
@click.option("--name", "words", default="", help="Words for the folder of loose pictures: the trigger word.")
@click.option("--repeats", type=click.IntRange(min=1), default=REPEATS, show_default=True)
@click.option("--drop-orphans", is_flag=True, help="Leave out captions of no picture.")
@yes_option
@json_option
def arrange(folder: Path, words: str, repeats: int, drop_orphans: bool, yes: bool, as_json: bool) -> None:
    """Bring DIR into the layout the trainer looks into: folders named like 10_name and none inside them,
    no two pictures that share a caption, no leftovers of other programs."""
    found = plan_arrange(history.begin(folder), words, repeats, drop_orphans=drop_orphans)
    lines = [f"  {old} -> {new}" for old, new in list(found.moved.items())[:_EXAMPLES]]
    if len(found.moved) > _EXAMPLES:
        lines.append(f"  and {len(found.moved) - _EXAMPLES:,} more (all with --json)")
    if found.orphans and not drop_orphans:
        orphans = number(len(found.orphans), "caption")
        lines.append(f"  {orphans} of no picture, like {found.orphans[0]}: --drop-orphans leaves them out")
    finish(found.plan, yes, as_json, lines, {"moved": dict(found.moved), "orphans": found.orphans})
