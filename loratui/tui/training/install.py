"""A pip command at work, its output as it comes."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen
from textual.widgets import Log

from loratui.problems import UserError
from loratui.runs.hints import fixing
from loratui.runs.hints.packages import Installation
from loratui.runs.store import Run
from loratui.tui.text import plain
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

PACE = 0.5


class InstallScreen(ModalScreen[bool]):
    """Dismissed with True once the package is there and the run is to be started again."""

    BINDINGS = [
        Binding("enter", "go_on", "start again", id="install.go", tooltip="Start the run again"),
        Binding("escape,q", "close", "back", id="install.close", tooltip="Back; once pip has ended"),
    ]

    def __init__(self, run: Run, what: Installation) -> None:
        super().__init__()
        self._run_meant = run
        self._what = what
        self._lines: list[str] = []
        self._code: int | None = None

    def compose(self) -> ComposeResult:
        yield Line(plain(f"$ {self._what}"), classes="question", id="install-command")
        yield Log(id="install-log", max_lines=2000)
        yield Line("pip is at work", id="install-end", classes="facts")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(Log).can_focus = False
        self.run_worker(self._install, thread=True, exclusive=True, group="install")
        self.set_interval(PACE, self._write)

    def _install(self) -> None:
        try:
            self._code = fixing.install(self._run_meant, self._what, self._lines.append)
        except UserError as error:
            self._lines.append(str(error))
            self._code = -1

    def _write(self) -> None:
        code = self._code
        lines, self._lines[:] = list(self._lines), []
        if lines:
            self.query_one(Log).write_lines(lines)
        if code is None:
            return
        words = "Installed." if code == 0 else f"pip ended with exit code {code}; nothing was started."
        self.query_one("#install-end", Line).show(words)
        go = [("enter", "start the run again")] if code == 0 else []
        self.query_one(KeyBar).show([*go, ("esc", "back")])

    def action_go_on(self) -> None:
        if self._code == 0:
            self.dismiss(True)

    def action_close(self) -> None:
        if self._code is not None:
            self.dismiss(False)
