"""The result of a run: its final file and its checkpoints, judged."""

from __future__ import annotations

import os
from pathlib import Path

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.worker import get_current_worker

from loratui.places import expanded
from loratui.runs.hardware.ssh import scp_out, this_machine
from loratui.runs.store import Run, read_run_file
from loratui.runs.view import RunView
from loratui.tui import text
from loratui.tui.own_app import own_app
from loratui.tui.result import words
from loratui.tui.result.files import Looked, Saved, look, saved_files
from loratui.tui.training import about
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import RowList


class ResultScreen(Screen[None]):
    """A list of files, and all there is to say of the chosen one."""

    BINDINGS = [
        Binding(
            "pagedown,space",
            "scroll(1)",
            "more",
            id="result.down",
            priority=True,
            tooltip="More of what is said",
        ),
        Binding("pageup", "scroll(-1)", "back", id="result.up", priority=True, tooltip="And back up"),
        Binding(
            "y", "copy", "copy", id="result.copy", tooltip="Copy the scp line, or here the path (OSC 52)"
        ),
        Binding("escape", "back", "back", id="result.back", tooltip="Back to where you were"),
        Binding("question_mark,f1", "help", "help", id="result.help", tooltip="This help"),
        Binding("q", "leave", "quit", id="result.quit", tooltip="Quit"),
    ]

    def __init__(self, run: Run, view: RunView) -> None:
        super().__init__()
        recipe = about.read_recipe(run)
        run_file = read_run_file(run)
        self._run_name = text.plain(run_file.name if run_file else run.id)
        self._files = saved_files(view, run.folder)
        self._known: dict[Path, Looked] = {}
        self._around = words.Around(
            run.id,
            recipe.dataset.trigger if recipe else "",
            base_model(recipe.base.model) if recipe else "",
            this_machine(),
            os.environ,
        )

    def compose(self) -> ComposeResult:
        yield Line(id="title")
        yield Line(id="result-head")
        yield RowList(id="result-files")
        with VerticalScroll(id="result-text"):
            yield Line(id="result-body")
        yield KeyBar(
            ("up/down", "file"),
            ("pgup/pgdn", "scroll"),
            ("y", "copy scp line" if self._around.at else "copy path"),
            ("esc", "back"),
            ("?", "help"),
            ("q", "quit"),
        )

    def on_mount(self) -> None:
        self.query_one("#result-text").can_focus = False
        self.query_one(RowList).focus()
        self._show()
        self._read()

    def on_resize(self) -> None:
        self._show()

    @work(thread=True, exclusive=True, group="result")
    def _read(self) -> None:
        worker = get_current_worker()
        for saved in self._files:
            if worker.is_cancelled:
                return
            looked = look(saved.path)
            if worker.is_cancelled or not self.is_attached:
                return
            self.app.call_from_thread(self._take, saved, looked)

    def _take(self, saved: Saved, looked: Looked) -> None:
        self._known[saved.path] = looked
        self._show()

    def _show(self) -> None:
        width = self.size.width
        if not width or not self.is_attached:
            return
        self.query_one("#title", Line).show(
            words.head(self._run_name, self._files, len(self._known), width - 2)
        )
        self.query_one("#result-head", Line).show(words.columns(width))
        rows = [words.row(saved, self._known.get(saved.path), width) for saved in self._files]
        self.query_one(RowList).show_rows(rows)
        self._show_page()

    def _show_page(self) -> None:
        saved = self._chosen()
        page = words.page(saved, self._known.get(saved.path), self._around, self.size.width)
        self.query_one("#result-body", Line).show(page)

    def _chosen(self) -> Saved:
        return self._files[max(0, self.query_one(RowList).cursor)]

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._show_page()
        self.query_one("#result-text").scroll_home(animate=False)

    def action_scroll(self, direction: int) -> None:
        pane = self.query_one("#result-text")
        pane.scroll_relative(y=direction * max(1, pane.size.height - 1), animate=False)

    def action_copy(self) -> None:
        path = self._chosen().path
        self.app.copy_to_clipboard(scp_out(path, self._around.at) or str(path))

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        self.app.push_screen(HelpScreen(words.HELP, self.BINDINGS))

    def action_back(self) -> None:
        self.dismiss()

    def action_leave(self) -> None:
        own_app(self.app).farewell = str(self._chosen().path)
        self.app.exit()


def base_model(named: str) -> str:
    """The base model's path where it lies on this machine; empty for a name on the hub."""
    path = expanded(named)
    return str(path.absolute()) if named and path.exists() else ""
