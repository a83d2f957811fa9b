"""The sample pictures of a run: a list by step and prompt, one of them in the terminal, all on one sheet."""

from __future__ import annotations

from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from loratui.problems import UserError
from loratui.runs.reporting.sample_grid import SHEET, grid, write_sheet
from loratui.runs.store import Run
from loratui.runs.view import RunView
from loratui.tui import text
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.picture import Picture
from loratui.tui.widgets.rows import Row, RowList


class SamplesScreen(Screen[None]):
    """Newest step first. A picture is drawn only when Enter asks for it: it costs tens of kilobytes."""

    BINDINGS = [
        Binding("enter", "picture", "show", id="samples.show", tooltip="Draw the picture in the terminal"),
        Binding(
            "o",
            "open",
            "full quality",
            id="samples.open",
            tooltip="At full quality (kitty, sixel)",
        ),
        Binding("s", "sheet", "contact sheet", id="samples.sheet", tooltip="All on one sheet, as a PNG"),
        Binding("escape,q,i", "close", "back", id="samples.close", tooltip="Back"),
        Binding("question_mark,f1", "help", "help", id="samples.help", tooltip="This help"),
    ]

    def __init__(self, run: Run, view: RunView) -> None:
        super().__init__()
        self._run_shown = run
        self._grid = grid(view.samples, run.folder)
        self._entries = [
            (step, prompt, self._grid.files[step, prompt])
            for step in reversed(range(len(self._grid.steps)))
            for prompt in range(len(self._grid.prompts))
            if (step, prompt) in self._grid.files
        ]

    def compose(self) -> ComposeResult:
        yield Line("Sample pictures", classes="question")
        yield RowList([self._row(*entry) for entry in self._entries], id="samples")
        yield Line(id="sample-about", classes="heading")
        yield Line(id="sample-said", classes="heading")
        yield Picture(id="picture")
        yield KeyBar(
            ("enter", "show it here"),
            ("o", "at full quality"),
            ("s", "contact sheet"),
            ("esc", "back"),
            ("?", "help"),
        )

    def on_mount(self) -> None:
        self.query_one(RowList).focus()
        self._about()

    def _row(self, step: int, prompt: int, path: Path) -> Row:
        words = text.clip(text.plain(self._grid.prompts[prompt]), 60)
        return ((f"step {self._grid.steps[step]:<8,}", "strong"), (words, ""))

    @property
    def _chosen(self) -> Path | None:
        cursor = self.query_one(RowList).cursor
        return self._entries[cursor][2] if cursor >= 0 else None

    def _about(self, more: str = "") -> None:
        path = self._chosen
        if path is not None:
            room = max(20, self.size.width - len(more) - 4)
            self.query_one("#sample-about", Line).show(f"{text.clip_path(path, room)}  {more}".rstrip())

    def _say(self, words: str) -> None:
        self.query_one("#sample-said", Line).show(words)

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        picture = self.query_one(Picture)
        if picture.path is not None:
            picture.show(self._chosen)
        self._about()

    def action_picture(self) -> None:
        self.query_one(Picture).show(self._chosen)

    def on_picture_drawn(self, event: Picture.Drawn) -> None:
        size = f"{event.pixels[0]} x {event.pixels[1]} pixels" if event.pixels else ""
        self._about(text.plain(event.error or size))

    def action_open(self) -> None:
        from loratui.tui.widgets.full_picture import show

        if self._chosen is not None:
            self._say(text.plain(show(self.app, self._chosen)))

    def action_sheet(self) -> None:
        self._say("Drawing the sheet.")
        self._draw_sheet(self._run_shown.samples / SHEET)

    @work(thread=True, exclusive=True, group="sheet")
    def _draw_sheet(self, path: Path) -> None:
        try:
            write_sheet(self._grid, path)
            said = f"Contact sheet: {text.home_path(path)}"
        except (UserError, ValueError, OSError) as error:
            said = f"No sheet: {text.plain(str(error))}"
        if self.is_attached:
            self.app.call_from_thread(self._say, said)

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        words = "Rows of one step lie together, the newest first. The sheet has a row for each step."
        self.app.push_screen(HelpScreen(words, self.BINDINGS))

    def action_close(self) -> None:
        self.dismiss()
