"""The panel of one run: a pure reader of its files, and the few keys that ask for something."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import Screen
from textual.widgets import Log

from loratui.events import ENDED
from loratui.problems import UserError
from loratui.runs.follow import LogTail, RunFollower
from loratui.runs.store import Run, read_run_file
from loratui.runs.view import RunView
from loratui.tui import text
from loratui.tui.training import about, gpu_words, keys, words
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.loss_chart import LossChart

if TYPE_CHECKING:
    from loratui.runs.gpu import GpuReading
    from loratui.runs.hint_states import Decision

POLL = 0.5
"""Seconds between looks while the terminal has the focus."""
POLL_UNFOCUSED = 5.0
GPU_POLL = 2.0
LOG_LINES = 5000
MIN_WIDTH, MIN_HEIGHT = 60, 16
HINT_ROWS = 5
SIDE_WIDTH = 34


class TrainingScreen(Screen[None]):
    """Watches a run."""

    BINDINGS = [
        Binding("q", "leave", "leave", id="run.leave", tooltip="Leave; the run goes on (also ctrl+c)"),
        Binding("S", "stop", "stop", id="run.stop", tooltip="Stop after this step and save; asks first"),
        Binding("l", "view('log')", "log", id="run.log", tooltip="The log on the whole screen, and back"),
        Binding(
            "c", "view('chart')", "chart", id="run.chart", tooltip="The chart on the whole screen, and back"
        ),
        Binding("f", "fix", "fix", id="run.fix", tooltip="What can be done about a known trouble, and do it"),
        Binding("h", "hints", "hints", id="run.hints", tooltip="Known troubles and what to do"),
        Binding(
            "v",
            "result",
            "result",
            id="run.result",
            tooltip="How good the saved files are; once it has ended",
        ),
        Binding("p", "paths", "paths", id="run.paths", tooltip="Where the files are"),
        Binding(
            "r",
            "again",
            "resume / again",
            id="run.again",
            tooltip="Resume, or open the recipe again; once it has ended",
        ),
        Binding("escape", "back", "runs", id="run.back", tooltip="Back, then to the list of runs"),
        Binding("question_mark,f1", "help", "help", id="run.help", tooltip="This help"),
    ]

    def __init__(self, run: Run, *, note: str = "") -> None:
        super().__init__()
        self.run_shown = run
        self._recipe = about.read_recipe(run)
        self._note = note or about.demo_note(self._recipe)
        run_file = read_run_file(run)
        self._run_name = text.plain(run_file.name if run_file else run.id)
        self._engine = run_file.engine if run_file else "builtin"
        self._follower = RunFollower(run)
        self._tail = LogTail(run.output)
        self.view = RunView()
        self._resumable = False
        self._looked = 0.0
        self._gpu_looked = 0.0
        self._gpus: GpuReading | None = None
        self._saw_it_run = False

    def compose(self) -> ComposeResult:
        yield Line(id="tiny")
        yield Line(id="head")
        yield Line(id="details")
        with Horizontal(id="panels"):
            yield LossChart(id="chart")
            with Vertical(id="side"):
                yield Line(id="gpu", classes="facts")
                yield Line(id="ready", classes="facts")
        yield Line(id="strip")
        yield Line(id="hints")
        yield Log(id="log", max_lines=LOG_LINES)
        yield Line(id="notice")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(Log).can_focus = False
        self._look()
        self.set_interval(POLL, self._tick)

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < MIN_WIDTH or event.size.height < MIN_HEIGHT, "-tiny")
        self._show()

    # Looking

    def _tick(self) -> None:
        if not self.is_current:
            return
        now = time.monotonic()
        if not self.app.app_focus and now - self._looked < POLL_UNFOCUSED - POLL / 2:
            return
        if self.view.state not in ENDED or self._tail_may_grow(now):
            self._look()

    def _tail_may_grow(self, now: float) -> bool:
        """An ended run may be resumed from elsewhere: looked at now and then."""
        return now - self._looked >= POLL_UNFOCUSED

    def _look(self) -> None:
        self._looked = time.monotonic()
        before, self.view = self.view, self._follower.poll()
        if self.view.state in ENDED:
            self._resumable = self.view.state != "finished" and self._has_state()
        else:
            self._saw_it_run = True
            if self._looked - self._gpu_looked >= GPU_POLL:
                self._gpu_looked = self._looked
                self._read_gpu()
        lines = [*self._tail.poll(), *words.news(before, self.view)]
        if lines:
            self.query_one(Log).write_lines(lines)
        self._show()

    def _has_state(self) -> bool:
        from loratui.runs.launch import newest_state

        return newest_state(self.run_shown) is not None

    @work(thread=True, exclusive=True, group="gpu")
    def _read_gpu(self) -> None:
        from loratui.runs import gpu

        reading = gpu.sample()
        if self.is_attached:
            self.app.call_from_thread(self._show_gpus, reading)

    def _show_gpus(self, reading: GpuReading) -> None:
        self._gpus = reading
        self._show()

    # Showing

    def _show(self) -> None:
        view, width = self.view, self.size.width
        if not width or not self.is_attached:
            return
        if self.has_class("-tiny"):
            self.query_one("#tiny", Line).show(words.tiny(view))
            return
        self.query_one("#head", Line).show(words.head(view, width - 2))
        doing = f"{self._run_name}: {words.details(view)}"
        self.query_one("#details", Line).show(text.clip(doing, width - 2))
        self.query_one(LossChart).show(view.losses, view.total_steps)
        self.query_one("#strip", Line).show(
            text.clip("   ".join(filter(None, (words.files(view), gpu_words.strip(self._gpus)))), width - 2)
        )
        self.query_one("#gpu", Line).show(gpu_words.block(self._gpus, SIDE_WIDTH))
        self.query_one("#ready", Line).show("\n".join(words.ready_rows(view)))
        self._show_end(view)
        if self.has_class("-tall"):
            from loratui.tui.training.hint_table import table

            self.query_one("#hints", Line).show(table(view, width - 2, HINT_ROWS, self._decided()))
        trigger = self._recipe.dataset.trigger if self._recipe else ""
        self.query_one("#notice", Line).show(
            words.notice(view, self.run_shown.folder, self._note, trigger, self._resumable)
        )
        self._show_keys()

    def _show_end(self, view: RunView) -> None:
        """Make room for the verdict once there is one."""
        self.set_class(not view.hints and view.state in ("finished", "stopped"), "-well")
        if self.has_class("-ended") != (view.state in ENDED):
            self.toggle_class("-ended")
            self.call_after_refresh(self.query_one(Log).scroll_end, animate=False)

    def _show_keys(self) -> None:
        full = "l" if self.has_class("-log") else "c" if self.has_class("-chart") else ""
        self.query_one(KeyBar).show(keys.keys(self.view, resumable=self._resumable, full=full))

    # Keys

    def action_view(self, name: str) -> None:
        """One part on the whole screen, and back."""
        other = "chart" if name == "log" else "log"
        self.remove_class(f"-{other}")
        self.toggle_class(f"-{name}")
        log = self.query_one(Log)
        log.can_focus = self.has_class("-log")
        if log.can_focus:
            log.focus()
        else:
            self.set_focus(None)
            log.scroll_end(animate=False)
        self._show_keys()

    def action_hints(self) -> None:
        from loratui.tui.help import TextScreen
        from loratui.tui.training.hint_table import page

        body = page(self.view, self.size.width - 4, self._decided())
        self.app.push_screen(TextScreen("Known troubles", body))

    def _decided(self) -> dict[str, Decision]:
        from loratui.runs.hint_states import decisions

        return decisions(self.run_shown) if self.view.hints else {}

    def action_fix(self) -> None:
        from loratui.tui.training.mending import mend

        mend(self.app, self.run_shown, self.view, self._gpus, self._say)

    def action_result(self) -> None:
        if self.view.state in ENDED and (self.view.checkpoints or self.view.final_file):
            from loratui.tui.result.screen import ResultScreen

            self.app.push_screen(ResultScreen(self.run_shown, self.view))

    def action_paths(self) -> None:
        from loratui.tui.help import TextScreen

        body, chosen = about.paths(self.run_shown, self.view)
        self.app.push_screen(TextScreen("Where the files are", body, copy=chosen))

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        self.app.push_screen(HelpScreen(about.HELP, self.BINDINGS))

    def action_stop(self) -> None:
        if self.view.state in ENDED:
            return
        from loratui.engines.registry import engine
        from loratui.tui.training.stop import StopScreen

        saves = engine(self._engine).saves_on_stop
        self.app.push_screen(StopScreen(self._run_name, saves), self._stop)

    def _stop(self, stop: bool | None) -> None:
        if not stop:
            return
        from loratui.runs.launch import request_stop

        try:
            request_stop(self.run_shown)
        except UserError as error:
            self._say(error)
        self._look()

    def action_again(self) -> None:
        if self.view.state not in ENDED:
            return
        from loratui.tui.again import again

        again(self.app, self.run_shown, self.view.state, self._say)

    def _say(self, error: UserError) -> None:
        from loratui.tui.help import TextScreen

        self.app.push_screen(TextScreen("That was not possible", text.plain(str(error))))

    def action_back(self) -> None:
        for name in ("log", "chart"):
            if self.has_class(f"-{name}"):
                self.action_view(name)
                return
        from loratui.tui.runs import RunsScreen

        if any(isinstance(screen, RunsScreen) for screen in self.app.screen_stack):
            self.dismiss()
        else:
            self.app.replace_screen(RunsScreen())  # type: ignore[attr-defined]

    def action_leave(self) -> None:
        if self.view.state not in ENDED:
            self.app.farewell = (  # type: ignore[attr-defined]
                f"{self._run_name} goes on at step {self.view.step:,}. See it again: loratui"
            )
        elif self.view.final_file and self._saw_it_run:
            self.app.farewell = str(words.absolute(self.view.final_file, self.run_shown.folder))  # type: ignore[attr-defined]
        self.app.exit()
