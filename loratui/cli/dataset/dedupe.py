"""``loratui dataset dedupe``: the same pictures, and nearly the same."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from loratui.cli.dataset.plan import directory, end_progress, finish, looking, yes_option
from loratui.cli.options import json_option
from loratui.dataset import history
from loratui.dataset.checking.finding import number
from loratui.dataset.mending.duplicates import Group, pictures, plan_dedupe
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.looking import look_at
from loratui.dataset.mending.mirrored import all_groups

_GROUPS = 8
_MEMBERS = 6


@click.command()
@directory
@click.option(
    "--threshold",
    type=click.IntRange(60, 100),
    default=90,
    show_default=True,
    metavar="PERCENT",
    help="How alike, in percent of equal hash bits; 100: only the same bytes.",
)
@click.option("--keep", multiple=True, metavar="FILE", help="Keep this one as well, by its name in the set.")
@click.option("--mirrored", is_flag=True, help="Leave out mirrored copies as well; without it both stay.")
@yes_option
@json_option
def dedupe(
    folder: Path, threshold: int, keep: tuple[str, ...], mirrored: bool, yes: bool, as_json: bool
) -> None:
    """Find pictures of DIR that are the same or nearly so, and leave out all but the best of each group:
    the largest, the sharpest, the captioned.

    At a terminal this opens a screen in which you walk the threshold down and choose what stays;
    with --yes or --json it goes by the proposal.
    """
    if not (yes or as_json) and sys.stdin.isatty() and sys.stdout.isatty():
        from loratui.tui.dataset.open import open_duplicates

        raise click.exceptions.Exit(open_duplicates(folder, threshold))
    entries = read_entries(history.begin(folder))
    probes = look_at(entries.base, [entry.name for entry in entries.all], looking)
    end_progress()
    groups = all_groups(pictures(entries, probes), threshold, drop_mirrored=mirrored)
    unknown = [name for name in keep if name not in {entry.name for entry in entries.all}]
    if unknown:
        raise click.UsageError(f"--keep {unknown[0]}: no picture of the set has this name.")
    stays = {member.picture.name for group in groups for member in group.members if member.keep} | set(keep)
    plan = plan_dedupe(entries, groups, stays)
    finish(
        plan,
        yes,
        as_json,
        _lines(groups, threshold),
        {"threshold": threshold, "groups": [_values(group, stays) for group in groups]},
    )


def _lines(groups: tuple[Group, ...], threshold: int) -> list[str]:
    same = "the same bytes" if threshold == 100 else f"the same, or {threshold} % alike"
    turned = sum(group.kind == "mirrored" for group in groups)
    lines = [f"{number(len(groups) - turned, 'group')} of pictures that are {same}."]
    if turned:
        lines.append(
            f"{number(turned, 'group')} of mirrored copies: fine where left and right matter, else flip"
            " (flip_aug) does it without files. --mirrored leaves out all but the best."
        )
    for group in groups[:_GROUPS]:
        lines.append("")
        for member in group.members[:_MEMBERS]:
            picture = member.picture
            like = f", {member.percent} % like {member.like}" if member.like else ""
            lines.append(
                f"  {'keep' if member.keep else 'drop'}  {picture.name}"
                f"  {picture.width}x{picture.height}  ({member.reason}{like})"
            )
        if len(group.members) > _MEMBERS:
            lines.append(f"        and {len(group.members) - _MEMBERS:,} more")
    if len(groups) > _GROUPS:
        lines += ["", f"  and {number(len(groups) - _GROUPS, 'more group')} (all with --json)"]
    return [*lines, ""]


def _values(group: Group, stays: set[str]) -> dict[str, Any]:
    return {
        "kind": group.kind,
        "members": [
            {
                "file": member.picture.name,
                "keep": member.picture.name in stays,
                "like": member.like,
                "percent": member.percent,
                "reason": member.reason,
                "width": member.picture.width,
                "height": member.picture.height,
                "sharpness": member.picture.sharpness,
                "captioned": member.picture.captioned,
            }
            for member in group.members
        ],
    }
