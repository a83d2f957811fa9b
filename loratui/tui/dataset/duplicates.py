"""Groups of duplicates: walk the threshold down, choose what stays."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual import work
from textual.binding import Binding

from loratui.dataset import history
from loratui.dataset.mending.duplicates import (
    PERCENTS,
    Group,
    Member,
    Picture,
    pictures,
    plan_dedupe,
)
from loratui.dataset.mending.entries import Entries, read_entries
from loratui.dataset.mending.looking import look_at
from loratui.dataset.mending.mirrored import all_groups
from loratui.tui.dataset.screen import MendScreen
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip_path, column, number, plain, size
from loratui.tui.widgets.rows import Row

_KINDS = {
    "exact": "the same bytes",
    "near": "nearly the same",
    "mirrored": "mirrored copies; all stay unless you drop one",
}


@dataclass(frozen=True, slots=True)
class Looked:
    """A set with what its pictures look like."""

    entries: Entries
    pictures: tuple[Picture, ...]
    groups: tuple[Group, ...]


class DuplicatesScreen(MendScreen[Looked]):
    """A row for each group and each picture in it."""

    NAME = "duplicates"
    HELP_TEXT = (
        "Pictures that are the same, or so alike that a LoRA would memorise them. The best of each group is "
        "kept: the largest, then the sharpest, then the captioned; a caption is passed on to it. 90 % alike "
        "is safe, 80 % nearly so; at 70 % different drawings meet by chance: look at them before you press "
        "enter. Mirrored copies are shown and stay: flip (flip_aug) makes them without files, but where left "
        "and right matter one may be there on purpose. Nothing is deleted: what is left out lies in the step "
        "before, and in your folder."
    )
    BINDINGS = [
        Binding("space", "turn", "keep / drop", id="dup.toggle", tooltip="Keep or drop this picture"),
        Binding("minus,left", "walk(1)", "less alike", id="dup.down", tooltip="Walk the threshold down"),
        Binding("plus,equals_sign,right", "walk(-1)", "more alike", id="dup.up", tooltip="And up again"),
        Binding("a", "all", "keep group", id="dup.all", tooltip="Keep all of this group"),
        Binding("o", "only", "only this", id="dup.only", tooltip="Keep only this one of its group"),
        Binding("n", "next", "next group", id="dup.next", tooltip="Go to the next group"),
        Binding("v", "view", "view", id="dup.view", tooltip="Look at it beside the one it resembles"),
        Binding("enter", "apply", "leave them out", id="dup.apply", tooltip="Preview, then make the step"),
    ]
    KEYS = (
        ("space", "keep/drop"),
        ("-/+", "threshold"),
        ("enter", "leave out"),
        ("v", "view"),
        ("n", "next"),
        ("u", "undo"),
    )

    def __init__(self, folder: Path, threshold: int = 90) -> None:
        super().__init__(folder)
        self._percents = tuple(sorted({*PERCENTS, threshold}, reverse=True))
        self._at = self._percents.index(threshold)
        self._groups: tuple[Group, ...] = ()
        self._keep: dict[str, bool] = {}
        """By name, what stays; a person's choice outlives a walk."""
        self._chosen: set[str] = set()
        self._lines: list[tuple[int, Member | None]] = []

    @property
    def percent(self) -> int:
        """The threshold."""
        return self._percents[self._at]

    def look(self) -> Looked:
        entries = read_entries(history.begin(self.folder))
        names = [entry.name for entry in entries.all]
        found = pictures(entries, look_at(entries.base, names, self.told, self.gone))
        return Looked(entries, found, all_groups(found, self.percent))

    def take(self, found: Looked) -> None:
        self._groups = found.groups

    @work(thread=True, exclusive=True, group="look")
    def _group(self, found: Looked, percent: int) -> None:
        groups = all_groups(found.pictures, percent)
        self.hand_over(self._grouped, groups, percent)

    def _grouped(self, groups: tuple[Group, ...], percent: int) -> None:
        if percent == self.percent:
            self._groups = groups
            warns = self.percent < 80 and bool(groups)
            self.say("Different pictures meet by chance at this: look at each (v)." if warns else "")
            self.show()

    def made(self, step: history.Step) -> None:
        self._chosen.clear()

    # What is shown

    def show_found(self, width: int) -> None:
        for group in self._groups:
            for member in group.members:
                if member.picture.name not in self._chosen:
                    self._keep[member.picture.name] = member.keep
        self._show_head()
        self._lines = [
            line
            for index, group in enumerate(self._groups)
            for line in ((index, None), *((index, member) for member in group.members))
        ]
        rows = [self._row(index, member, width) for index, member in self._lines]
        self.rows.show_rows(rows, max(0, min(self.rows.cursor, len(rows) - 1)))
        self.show_about()

    def _show_head(self) -> None:
        total = len({member.picture.name for group in self._groups for member in group.members})
        alike = "the same bytes" if self.percent == 100 else f"{self.percent} % alike"
        walk = " > ".join(f"[{value}]" if value == self.percent else str(value) for value in self._percents)
        words = f"{walk} %   {alike}: "
        if self.found is None and not self._groups:
            words += glyphs().more
        elif not self._groups:
            words += "no picture is twice in here"
        else:
            words += (
                f"{number(len(self._groups), 'group')}, {total:,} pictures, {self._left_out():,} to leave out"
            )
        self.show_head(words)

    def _left_out(self) -> int:
        members = {member.picture.name for group in self._groups for member in group.members}
        return sum(not self._keep[name] for name in members)

    def _row(self, index: int, member: Member | None, width: int) -> Row:
        group = self._groups[index]
        if member is None:
            words = _KINDS[group.kind]
            return ((f"group {index + 1:,}   {words}, {len(group.members)} pictures", "strong"),)
        keep = self._keep[member.picture.name]
        like = f"{member.percent:>3} %" if member.like else ""
        caption = "caption" if member.picture.captioned else ""
        side = f"{member.picture.width}x{member.picture.height}"
        name = max(12, width - 2 - 8 - 13 - 9 - 6 - 24)
        return (
            (f" {'[keep]' if keep else '[drop]'} ", "good" if keep else "warn"),
            (f"{column(clip_path(member.picture.name, name), name)} ", ""),
            (f"{side:>11}  {caption:<7}  {like:<5} ", "dim"),
            (member.reason, "dim"),
        )

    def about(self) -> str:
        member = self._member()
        if member is None:
            return ""
        picture = member.picture
        words = f"{plain(picture.name)}   {size(picture.bytes)}, sharpness {picture.sharpness:.0f}"
        if picture.twins:
            words += f"; also in {number(len(picture.twins), 'other folder')}, kept or dropped together"
        return words + "\n" + (f"like {plain(member.like)}" if member.like else member.reason)

    def _member(self) -> Member | None:
        cursor = self.rows.cursor
        return self._lines[cursor][1] if 0 <= cursor < len(self._lines) else None

    # Keys

    def action_turn(self) -> None:
        member = self._member()
        if member is not None:
            self._set({member.picture.name: not self._keep[member.picture.name]})
            rows = self.rows
            after = [
                at for at, (_, other) in enumerate(self._lines) if other is not None and at > rows.cursor
            ]
            if after:
                rows.action_move(after[0] - rows.cursor)

    def action_all(self) -> None:
        group = self._group_here()
        if group is not None:
            self._set({member.picture.name: True for member in group.members})

    def action_only(self) -> None:
        group, here = self._group_here(), self._member()
        if group is not None and here is not None:
            self._set({member.picture.name: member is here for member in group.members})

    def _group_here(self) -> Group | None:
        cursor = self.rows.cursor
        return self._groups[self._lines[cursor][0]] if 0 <= cursor < len(self._lines) else None

    def _set(self, keep: dict[str, bool]) -> None:
        self._keep |= keep
        self._chosen |= keep.keys()
        self.show()

    def action_next(self) -> None:
        rows = self.rows
        after = [at for at, (_, member) in enumerate(self._lines) if member is None and at > rows.cursor]
        if after:
            rows.action_move(after[0] - rows.cursor)

    def action_walk(self, by: int) -> None:
        at = max(0, min(len(self._percents) - 1, self._at + by))
        if at == self._at or self.found is None:
            return
        self._at = at
        self.say(f"Comparing at {self.percent} %.")
        self._group(self.found, self.percent)

    def action_view(self) -> None:
        group, member = self._group_here(), self._member()
        if group is None or self.found is None:
            return
        from loratui.tui.dataset.view import ViewScreen

        root = self.found.entries.base.root
        if member is not None and member.like:
            names = [member.like, member.picture.name]
        else:
            names = [other.picture.name for other in group.members[:2]]
        self.app.push_screen(ViewScreen([(name, root / name) for name in names]))

    def action_apply(self) -> None:
        if self.found is None:
            return
        members = [member.picture.name for group in self._groups for member in group.members]
        stays = {name for name in members if self._keep[name]}
        empty = sum(not any(self._keep[m.picture.name] for m in group.members) for group in self._groups)
        lines = [f"Of {number(empty, 'group')} nothing is kept at all.", ""] if empty else []
        plan = plan_dedupe(self.found.entries, self._groups, stays)
        if lines:
            lines += [f"out  {name}" for name in sorted(plan.drop)[:200]]
        self.propose(plan, lines)
