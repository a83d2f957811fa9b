"""The runs on this machine."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from loratui.events import ENDED
from loratui.problems import UserError
from loratui.runs import store
from loratui.runs.store import RunSummary
from loratui.tui import link, text
from loratui.tui.training.words import sign
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList

POLL = 1.0
POLL_SLOW = 5.0
_STYLES = {
    "running": "good",
    "finished": "",
    "stopping": "warn",
    "stopped": "warn",
    "failed": "bad",
    "lost": "bad",
}


class RunsScreen(Screen[None]):
    """A row for each run, newest first."""

    BINDINGS = [
        Binding("enter", "open", "open", id="runs.open", tooltip="Watch the run"),
        Binding("n", "new", "new run", id="runs.new", tooltip="A new run"),
        Binding(
            "r", "again", "resume / again", id="runs.again", tooltip="Resume it, or open its recipe again"
        ),
        Binding("e", "edit", "edit a copy", id="runs.edit", tooltip="A new run from a copy of its recipe"),
        Binding(
            "v", "result", "result", id="runs.result", tooltip="How good its files are; once it has ended"
        ),
        Binding("K", "queue('up')", "sooner", id="runs.sooner", tooltip="A waiting run: sooner"),
        Binding("J", "queue('down')", "later", id="runs.later", tooltip="A waiting run: later"),
        Binding("H", "queue('hold')", "hold", id="runs.hold", tooltip="A waiting run: hold, release"),
        Binding("W", "queue('start')", "go on", id="runs.wake", tooltip="Let the queue go on"),
        Binding("question_mark,f1", "help", "help", id="runs.help", tooltip="This help"),
        Binding("q", "leave", "quit", id="runs.quit", tooltip="Quit; runs go on"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._summaries: list[RunSummary] = []

    def compose(self) -> ComposeResult:
        yield Line("loratui   runs", id="title")
        yield Line(id="runs-head")
        yield RowList(id="runs")
        yield Line(id="runs-about")
        yield KeyBar(
            ("enter", "open"),
            ("n", "new run"),
            ("r", "resume / again"),
            ("e", "edit a copy"),
            ("v", "result"),
            ("?", "help"),
            ("q", "quit"),
        )

    def on_mount(self) -> None:
        self._look()
        self.query_one(RowList).focus()
        self.set_interval(POLL_SLOW if link.is_slow() else POLL, self._tick)

    def on_screen_resume(self) -> None:
        self._look()

    def on_resize(self) -> None:
        self._show()

    def _tick(self) -> None:
        if self.is_current and (self.app.app_focus or int(time.monotonic()) % 5 == 0):
            self._look()

    def _look(self) -> None:
        summaries = []
        for run in store.all_runs():
            try:
                summaries.append(store.summary(run))
            except UserError:
                continue
        chosen = self._chosen()
        self._summaries = summaries
        ids = [row.id for row in summaries]
        self._show(ids.index(chosen.id) if chosen and chosen.id in ids else None)

    def _show(self, cursor: int | None = None) -> None:
        width = self.size.width
        if not width:
            return
        name, model = _widths(width)
        self.query_one("#runs-head", Line).show(
            f"{'STATE':<12}{'NAME':<{name}}  {'MODEL':<{model}}  {'STEP':>13}  {'LOSS':>8}  STARTED"
        )
        rows = [_row(summary, name, model) for summary in self._summaries]
        self.query_one(RowList).show_rows(rows, cursor)
        self._show_about()

    def _show_about(self) -> None:
        chosen = self._chosen()
        about = "No runs yet. n starts one."
        if chosen is not None:
            about = text.home_path(chosen.folder)
            if chosen.state == "queued":
                from loratui.tui import waiting

                about += f"\n{text.plain(waiting.words(chosen.id))}"
            elif chosen.state == "lost":
                about += f"\nLOST: {text.plain(chosen.reason)} r goes on with it."
            elif chosen.reason:
                about += f"\n{text.clip(text.plain(chosen.reason), 200)}"
        self.query_one("#runs-about", Line).show(about)

    def _chosen(self) -> RunSummary | None:
        index = self.query_one(RowList).cursor
        return self._summaries[index] if 0 <= index < len(self._summaries) else None

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._show_about()

    def action_open(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            self.app.show_run(store.Run(chosen.id, Path(chosen.folder)))  # type: ignore[attr-defined]

    def action_result(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        from loratui.runs.follow import RunFollower
        from loratui.tui.help import TextScreen
        from loratui.tui.result.screen import ResultScreen

        run = store.Run(chosen.id, Path(chosen.folder))
        view = RunFollower(run).poll()
        if chosen.state not in ENDED:
            self.app.push_screen(TextScreen("Not yet", "This run goes on. enter watches it."))
        elif view.checkpoints or view.final_file:
            self.app.push_screen(ResultScreen(run, view))
        else:
            self.app.push_screen(TextScreen("Nothing to look at", "This run saved no LoRA. enter says why."))

    def action_queue(self, wish: str) -> None:
        """Keys of a run that waits; on another they do nothing."""
        chosen = self._chosen()
        if chosen is None or chosen.state != "queued":
            return
        from loratui.tui import waiting

        try:
            waiting.act(store.Run(chosen.id, Path(chosen.folder)), wish)  # type: ignore[arg-type]
        except UserError as error:
            self._refuse(error)
        self._look()

    def action_new(self) -> None:
        self.app.show_wizard(None)  # type: ignore[attr-defined]

    def action_edit(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            from loratui.tui.again import edit_copy

            edit_copy(self.app, store.Run(chosen.id, Path(chosen.folder)), self._refuse)

    def action_again(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        if chosen.state not in ENDED:
            self.action_open()
            return
        from loratui.tui.again import again

        again(self.app, store.Run(chosen.id, Path(chosen.folder)), chosen.state, self._refuse)

    def _refuse(self, error: UserError) -> None:
        from loratui.tui.help import TextScreen

        self.app.push_screen(TextScreen("That was not possible", text.plain(str(error))))

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        words = (
            "Runs go on whether or not this window is open. LOST is a run whose machine restarted or whose\n"
        )
        words += "supervisor was killed: r goes on from the last saved state."
        self.app.push_screen(HelpScreen(words, self.BINDINGS))

    def action_leave(self) -> None:
        self.app.exit()


def _widths(width: int) -> tuple[int, int]:
    """Columns for name and model: what the others leave."""
    rest = max(24, width - 2 - 12 - 2 - 2 - 13 - 2 - 8 - 2 - 12)
    return rest * 3 // 5, rest - rest * 3 // 5


def _row(summary: RunSummary, name: int, model: int) -> Row:
    steps = f"{summary.step:,}/{summary.total_steps:,}" if summary.total_steps else f"{summary.step:,}"
    state = f"{sign(summary.state)} {summary.state.upper()}"
    return (
        (f"{state:<12}", _STYLES.get(summary.state, "")),
        (f"{text.clip(text.plain(summary.name), name):<{name}}  ", "strong"),
        (f"{text.clip(text.plain(summary.model), model):<{model}}  ", ""),
        (f"{steps:>13}  {text.loss(summary.loss):>8}  ", ""),
        (started(summary.started, datetime.now().astimezone()), "dim"),
    )


def started(iso: str, now: datetime) -> str:
    """``today 01:52``, ``yesterday``, ``18 Nov``, in local time."""
    try:
        at = datetime.fromisoformat(iso).astimezone()
    except ValueError:
        return "-"
    days = (now.date() - at.date()).days
    if days <= 0:
        return f"today {at:%H:%M}"
    return "yesterday" if days == 1 else f"{at.day} {at:%b}" if at.year == now.year else f"{at:%Y-%m-%d}"
