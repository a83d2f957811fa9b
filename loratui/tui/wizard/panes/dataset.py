"""Step 2: the pictures."""

from __future__ import annotations

import os
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content

from loratui.places import expanded
from loratui.problems import Problem, UserError
from loratui.runs.hardware.ssh import scp_in, this_machine
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, number, plain, sentence
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.wizard.answers.facts import DatasetFacts, folders_to_check, wishes
from loratui.tui.wizard.panes import doubt, pasted
from loratui.tui.wizard.panes.arranging import Unarranged, arrange_links
from loratui.tui.wizard.panes.checking import Checking
from loratui.tui.wizard.panes.pane import StepPane


class DatasetPane(StepPane):
    """A folder, and what was found in it."""

    NUMBER = 2
    QUESTION = "Where are the pictures?"
    HELP_TEXTS = {
        "": "A plain folder of pictures: Enter arranges it out of links, and it stays as it is.\n"
        "A .zip or .tar is unpacked beside it. A Kohya dataset_config (.toml, .json) names several.\n"
        "Or a folder that holds folders named like 10_name:\n"
        "10 is how often each picture is shown in an epoch, name is the caption of those without one.\n"
        "Captions lie beside the pictures: cat.png and cat.txt. ctrl+t writes and mends them.",
        "dataset-regularization": "Pictures of the same kind without what is taught: they keep the model"
        " from forgetting it.\nMost LoRAs do without. A folder that holds folders named like 1_dog.",
    }

    BINDINGS = [
        Binding(
            "ctrl+l",
            "arrange",
            "arrange with links",
            id="dataset.arrange",
            tooltip="Links for a plain folder; the parent of a numbered one; unpack an archive",
        ),
        Binding("ctrl+o", "findings", "findings", id="dataset.findings", tooltip="All that the check found"),
        Binding("ctrl+g", "check", "stop, check", id="dataset.check", tooltip="Stop the check, or go on"),
        Binding(
            "ctrl+t",
            "mend",
            "mend",
            id="dataset.mend",
            tooltip="Mend it: duplicates, captions and tags, formats, folders; undo",
        ),
    ]

    _is_arranging = False
    _mendings = 0
    """How often the set was mended: the folder may have kept its name."""

    def compose(self) -> ComposeResult:
        yield self.question()
        yield Field(
            "dataset.folder",
            "Folder",
            self.state.text("dataset.folder"),
            placeholder="a folder of pictures, or one of 10_name folders",
        )
        yield Field(
            "dataset.regularization",
            "Regularization",
            self.state.text("dataset.regularization"),
            placeholder="none (a folder of the same shape)",
        )
        yield Line(id="dataset-facts", classes="facts")
        yield Line(id="dataset-check")

    def on_mount(self) -> None:
        self._checking = Checking(self, self._checked)
        self._doubt = doubt.Doubt()

    def on_unmount(self) -> None:
        self._checking.stop()

    def focus_first(self) -> None:
        self.query_one("#dataset-folder", Field).enter()

    def show_facts(self) -> None:
        self.query_one("#dataset-facts", Line).show(self._facts())
        self._check()

    def _check(self) -> None:
        """Check the folder that is known by now, mended steps first."""
        dataset = self.state.recipe.dataset
        known = self.state.wanted_dataset is None and self.state.dataset is not None
        if not known or not self.state.text("dataset.folder") or not self.is_attached:
            return
        if isinstance(self.state.dataset, Problem) and not isinstance(self.state.dataset, Unarranged):
            self._checking.forget()
            self.query_one("#dataset-check", Line).show("")
            return
        recipe, found = self.state.recipe, self.state.dataset
        about = (dataset.trigger, dataset.purpose, recipe.base.family, recipe.training)
        if isinstance(found, DatasetFacts) and found.named is not None:
            named = found.named
            self._checking.begin(
                (named.path, found.scan.pictures, *about, self._mendings),
                named.path,
                None,
                lambda: named.wishes(self.state.recipe, wishes(self.state.recipe)),
                named.sources(recipe),
            )
            return
        folder, reg = folders_to_check(dataset.folder, dataset.regularization)
        key = (folder, reg, *about, self._mendings)
        self._checking.begin(key, folder, reg, lambda: wishes(self.state.recipe))

    def _checked(self) -> None:
        self._show_check()
        self.post_message(self.Settled())

    def is_settled(self) -> bool:
        """The first findings come before a picture is decoded: Enter waits for them."""
        return not isinstance(self.state.dataset, DatasetFacts) or self._checking.has_spoken

    def doubt(self) -> str:
        errors = self._doubt.errors(self._checking.report)
        folder = expanded(self.state.text("dataset.folder"))
        return doubt.words(errors, folder) if errors else ""

    def wave(self) -> bool:
        return self._doubt.wave(self._checking.report)

    def _show_check(self) -> None:
        from loratui.tui.wizard.panes.check_words import summary

        checking, line = self._checking, self.query_one("#dataset-check", Line)
        rows = self.size.height - line.virtual_region.y
        shown = summary(
            checking.report, checking.progress, checking.stopped, max(40, self.size.width - 2), rows
        )
        line.show(shown if not checking.problem else f"  {checking.problem}")

    def on_resize(self) -> None:
        if self._checking.report is not None:
            self._show_check()

    def action_findings(self) -> None:
        """Everything the check found, on a page of its own."""
        if self._checking.report is not None:
            from loratui.tui.help import TextScreen
            from loratui.tui.wizard.panes.check_words import page

            width = max(40, self.app.size.width - 4)
            self.app.push_screen(TextScreen("The check", page(self._checking.report, width)))

    def action_check(self) -> None:
        """Stop the check, or go on with it: what was looked at is in the cache."""
        if self._checking.progress is not None:
            self._checking.stop()
            self._checked()
        else:
            self._checking.again()
            self._check()

    def _facts(self) -> Content:
        dataset = self.state.dataset
        if self.state.wanted_dataset is not None:
            return Content("  reading the folder" + glyphs().more)
        if not self.state.text("dataset.folder"):
            return Content.assemble((_nothing_yet(), "$text-muted"))
        if not isinstance(dataset, DatasetFacts):
            return Content("")
        scan, signs = dataset.scan, glyphs()
        pictures, captioned = scan.train_pictures, scan.captioned
        shown = sum(picture.repeats for picture in pictures)
        files, told = {one.path for one in pictures}, {one.path for one in captioned}
        sets = ""
        if dataset.named is not None:
            told |= {one.path for one in pictures if one.class_tokens}  # as the file has it
            sets = f" in {number(len(dataset.named.scans), 'dataset')}"
        lines: list[tuple[str, str]] = [
            (
                (
                    f"  {signs.fine} {number(len(files), 'picture')}{sets}, {number(len(told), 'caption')};"
                    f" shown {number(shown, 'time')} an epoch\n"
                ),
                "$success",
            )
        ]
        missing = len(files) - len(told)
        if missing:
            words = plain(next(p.class_tokens for p in pictures if p.path not in told)) or "nothing"
            lines.append(
                (
                    (
                        f"  {signs.unusual} {number(missing, 'picture')} without a caption:"
                        f" the folder's words stand in ({clip(words, 30)})\n"
                    ),
                    "$warning",
                )
            )
        if scan.reg_pictures:
            lines.append((f"  {signs.fine} {number(len(scan.reg_pictures), 'regularization picture')}\n", ""))
        if scan.ignored:
            names = ", ".join(clip(plain(path.name), 24) for path in scan.ignored[:2])
            more = f" and {len(scan.ignored) - 2} more" if len(scan.ignored) > 2 else ""
            lines.append((f"  {signs.unusual} the trainer passes over {names}{more}\n", "$warning"))
        if scan.unreadable:
            names = ", ".join(clip(plain(path.name), 24) for path in scan.unreadable[:2])
            lines.append((f"  {signs.wrong} cannot be opened: {names}\n", "$error"))
        lines[-1] = (lines[-1][0].rstrip("\n"), lines[-1][1])
        return Content.assemble(*lines)

    def take(self, field: Field, text: str) -> None:
        if field.key == "dataset.regularization":
            self.state.set(field.key, pasted.bare_path(text) or None)
        else:
            super().take(field, text)

    def action_mend(self) -> None:
        """Open the screens that mend the set."""
        folder, found = self.state.recipe.dataset.folder, self.state.dataset
        if isinstance(found, DatasetFacts) and found.named is not None:
            self._mend_one_of(found.named.path)
        elif isinstance(found, Problem) and folder and not expanded(folder).exists():
            self.show_problem(found)
        elif folder:
            from loratui.tui.dataset.menu import MendMenu

            self.app.push_screen(MendMenu(expanded(folder)), self._mended)

    def _mend_one_of(self, path: Path) -> None:
        """A dataset_config: its folders are mended one by one, and a copy of it names what came out."""
        from loratui.dataset import mended_config
        from loratui.tui.dataset.menu import MendMenu
        from loratui.tui.dataset.which import WhichFolder

        folders = [] if self.state.recipe.kohya.get("in_json") else mended_config.sources(path)
        if not folders:
            words = "Pictures that metadata name one by one are not mended here: mend their folder first."
            self.query_one("#dataset-folder", Field).show_note(words)
            return

        def named_anew(changed: bool | None) -> None:
            if not changed:
                return
            try:
                copy = str(mended_config.on_current_steps(path))
            except UserError as error:
                self.query_one("#dataset-folder", Field).show_note(sentence(error.problems[0]), "wrong")
                return
            field = self.query_one("#dataset-folder", Field)
            if copy != str(path):
                field.put(copy)
                self.take(field, copy)
            self._mended(changed)

        def chosen(folder: Path | None) -> None:
            if folder is not None:
                self.app.push_screen(MendMenu(folder), named_anew)

        self.app.push_screen(WhichFolder(folders), chosen)

    def _mended(self, changed: bool | None) -> None:
        if changed:
            self._mendings += 1
            self.state.reread_dataset()
            self.post_message(self.Changed())

    def solve(self) -> None:
        self.action_arrange()

    def action_arrange(self) -> None:
        """Give the trainer a layout of links in place of the plain folder."""
        if isinstance(self.state.dataset, Unarranged) and not self._is_arranging:
            self._is_arranging = True
            dataset = self.state.recipe.dataset
            self.query_one("#dataset-folder", Field).show_note("making the links" + glyphs().more)
            self._arrange(dataset.folder, dataset.trigger)

    @work(thread=True, group="arrange")
    def _arrange(self, folder: str, words: str) -> None:
        self.app.call_from_thread(self._arranged, folder, arrange_links(folder, words))

    def _arranged(self, folder: str, made: str | Problem) -> None:
        self._is_arranging = False
        if folder != self.state.recipe.dataset.folder:
            return  # another was named meanwhile
        field = self.query_one("#dataset-folder", Field)
        if isinstance(made, Problem):
            field.show_note(sentence(made), "wrong")
            return
        field.put(made)
        self.state.set("dataset.folder", made)
        self.post_message(self.Changed())


def _nothing_yet() -> str:
    """What can be named, and how it gets here."""
    words = "  Nothing in it is changed. A .zip or .tar will do too."
    try:
        here = Path.cwd()
    except FileNotFoundError:  # it was deleted
        here = Path.home()
    line = scp_in(here if os.access(here, os.W_OK) else Path.home(), this_machine())
    if line:
        words += f"\n  Still on your own computer? Type there, with the name of their folder:\n    {line}"
    return words
