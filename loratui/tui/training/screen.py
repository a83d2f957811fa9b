"""The panel of one run: a pure reader of its files, and the few keys that ask for something."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import Screen

from loratui.events import ENDED
from loratui.problems import UserError
from loratui.runs.rental import machine_news
from loratui.runs.store import Run, read_run_file
from loratui.runs.view import RunView
from loratui.tui import breakpoints, link, text
from loratui.tui.bell import call_back
from loratui.tui.own_app import own_app
from loratui.tui.training import (
    about,
    asking,
    curve_words,
    ending,
    gpu_words,
    host_words,
    keys,
    opening,
    words,
)
from loratui.tui.training.log_pane import SEARCH_KEYS, LogPane
from loratui.tui.training.watch import POLL, POLL_SLOW, MachineWatch, RunWatch
from loratui.tui.widgets.curve_chart import CurveChart
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.log_lines import LogLines

if TYPE_CHECKING:
    from loratui.runs.hardware.gpu import GpuReading
    from loratui.runs.hardware.host import Host

MIN_WIDTH, MIN_HEIGHT = 60, 16
HINT_ROWS = 5
SIDE_WIDTH = 34


class TrainingScreen(Screen[None]):
    """Watches a run."""

    AUTO_FOCUS = ""
    BINDINGS = keys.BINDINGS

    def __init__(self, run: Run, *, note: str = "") -> None:
        super().__init__()
        self.run_shown = run
        self._recipe = about.read_recipe(run)
        self._note = note or about.demo_note(self._recipe)
        run_file = read_run_file(run)
        self._run_name = text.plain(run_file.name if run_file else run.id)
        self._engine = run_file.engine if run_file else "builtin"
        self._watch = RunWatch(run)
        self._machine = MachineWatch(run)
        self._curve = curve_words.LOSS

    @property
    def view(self) -> RunView:
        """The run as of the last look."""
        return self._watch.view

    def compose(self) -> ComposeResult:
        yield Line(id="tiny")
        yield Line(id="head")
        yield Line(id="details")
        yield Line(id="curve")
        with Horizontal(id="panels"):
            yield CurveChart(id="chart")
            with Vertical(id="side"):
                yield Line(id="gpu", classes="facts")
                yield Line(id="host", classes="facts")
                yield Line(id="ready", classes="facts")
        yield Line(id="strip")
        yield Line(id="hints")
        yield LogPane(id="log")
        yield Line(id="notice")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(CurveChart).can_focus = False
        self._look()
        self.set_interval(POLL_SLOW if link.is_slow() else POLL, self._tick)

    def on_resize(self, event: Resize) -> None:
        self.set_class(event.size.width < MIN_WIDTH or event.size.height < MIN_HEIGHT, "-tiny")
        self._show()

    # Looking

    def _tick(self) -> None:
        if not self.is_current:
            return
        if self._watch.is_due(self.app.app_focus):
            self._look()

    def _look(self) -> None:
        lines = self._watch.look()
        if self._watch.just_ended:
            call_back(self.app, f"{self._run_name}: {ending.verdict(self.view)}")
        if not self._watch.has_ended and self._machine.is_due():
            self._read_machine()
        if lines:
            self.query_one(LogPane).write_lines(lines)
        self._show()

    @work(thread=True, exclusive=True, group="machine")
    def _read_machine(self) -> None:
        found = self._machine.read()
        if self.is_attached:
            self.app.call_from_thread(self._show_machine, *found)

    def _show_machine(self, gpus: GpuReading, host: Host) -> None:
        first = self._machine.gpus is None
        self._machine.take(gpus, host)
        if first or self._watch.has_ended:  # else the next look shows it, half a second later
            self._show()

    # Showing

    def _show(self) -> None:
        view, width = self.view, self.size.width
        if not width or not self.is_attached:
            return
        if self.has_class("-tiny"):
            self.query_one("#tiny", Line).show(words.tiny(view, width - 2))
        self.query_one("#head", Line).show(words.head(view, width - 2, words.silence(view, time.time())))
        self.query_one("#details", Line).show(words.details(view, width - 2, self._run_name))
        self._show_curve()
        gpus = gpu_words.parts(self._machine.gpus, view.peak_memory)
        strip = [(2, words.files(view)), *host_words.parts(self._machine.host), *gpus]
        self.query_one("#strip", Line).show(text.fitting(strip, width - 2))
        self.query_one("#gpu", Line).show(
            gpu_words.block(self._machine.gpus, SIDE_WIDTH, self._machine.peaks, view.peak_memory)
        )
        self.query_one("#host", Line).show(host_words.rows(self._machine.host))
        self.query_one("#ready", Line).show("\n".join(words.ready_rows(view)))
        self._show_end(view)
        if self.size.height >= breakpoints.TALL:  # the class for it comes after the first look
            from loratui.runs.hints.states import decisions
            from loratui.tui.training.hint_table import table

            decided = decisions(self.run_shown) if view.hints else {}
            self.query_one("#hints", Line).show(table(view, width - 2, HINT_ROWS, decided))
        trigger = self._recipe.dataset.trigger if self._recipe else ""
        stop = machine_news.pending()
        note = f"{machine_news.words(stop)} Any key keeps it on." if stop else self._note
        if view.state == "queued":
            note = self._watch.turn()
        self.query_one("#notice", Line).show(
            ending.notice(view, self.run_shown.folder, note, trigger, self._watch.resumable)
        )
        self._show_keys()

    def _show_curve(self) -> None:
        view, chart = self.view, self.query_one(CurveChart)
        is_loss = self._curve == curve_words.LOSS
        means = view.epoch_means if is_loss and self.has_class("-chart") else ()
        curve = curve_words.curve(view, self._curve)
        chart.show(curve, view.total_steps, means, words.nothing_drawn(view))
        if self.has_class("-chart"):
            words_at = curve_words.line(view, self._curve, chart.look)
            self.query_one("#curve", Line).show(text.clip(words_at, self.size.width - 2))

    def on_looked_at_looked(self) -> None:
        self._show_curve()

    def on_log_pane_closed(self) -> None:
        self.action_back()

    def _show_end(self, view: RunView) -> None:
        """Make room for the verdict once there is one."""
        self.set_class(not view.hints and view.state in ("finished", "stopped"), "-well")
        if self.has_class("-ended") != (view.state in ENDED):
            self.toggle_class("-ended")
            self.query_one(LogPane).follow()

    def on_descendant_focus(self) -> None:
        self._show_keys()

    def _show_keys(self) -> None:
        if self.query_one(LogPane).is_searching:
            self.query_one(KeyBar).show(SEARCH_KEYS)
            return
        self.query_one(KeyBar).show(
            keys.shown(self.view, self._mode, self._watch.resumable, self._engine == "builtin")
        )

    @property
    def _mode(self) -> keys.Mode:
        """What has the whole screen."""
        return "log" if self.has_class("-log") else "chart" if self.has_class("-chart") else "panel"

    # Keys

    def action_view(self, name: str) -> None:
        """One part on the whole screen, and back."""
        was = self._mode
        log, chart = self.query_one(LogPane), self.query_one(CurveChart)
        self.remove_class("-log", "-chart")
        if was == "log":
            log.close()
        chart.can_focus = False
        self.set_focus(None)
        if was == name:
            self._curve = curve_words.LOSS
        else:
            self.add_class(f"-{name}")
            if name == "log":
                log.open()
            else:
                chart.can_focus = True
                chart.focus()
        self._show()

    def action_next_curve(self) -> None:
        if self._mode == "chart":
            known = curve_words.names(self.view)
            at = known.index(self._curve) if self._curve in known else 0
            self._curve = known[(at + 1) % len(known)]
            self._show_curve()

    def action_hints(self) -> None:
        opening.hints(self.app, self.run_shown, self.view, self.size.width - 4)

    def action_fix(self) -> None:
        from loratui.tui.training.mending import mend

        mend(self.app, self.run_shown, self.view, self._machine.gpus, self._say)

    def action_result(self) -> None:
        if not opening.result(self.app, self.run_shown, self.view):
            self.query_one(LogPane).write_lines([words.nothing_saved(self.view)])

    def action_samples(self) -> None:
        if not opening.samples(self.app, self.run_shown, self.view):
            self.query_one(LogPane).write_lines([words.nothing_drawn_yet(self.view)])

    def action_notes(self) -> None:
        opening.notes(self.app, self.run_shown)

    def action_machine(self) -> None:
        from loratui.tui.training.machine import ask

        ask(self.app, self.run_shown)

    def action_paths(self) -> None:
        opening.paths(self.app, self.run_shown, self.view)

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        log = [*LogPane.BINDINGS, *LogLines.BINDINGS]
        more = {"log": log, "chart": CurveChart.BINDINGS}.get(self._mode, [])
        self.app.push_screen(HelpScreen(about.HELP, [*more, *self.BINDINGS]))

    def action_stop(self) -> None:
        if not self._watch.has_ended:
            asking.stop(self.app, self.run_shown, self._run_name, self._engine, self._look)

    def action_now(self, what: Literal["save", "sample"]) -> None:
        if not self._watch.has_ended:
            asked = asking.now(self.app, self.run_shown, what)
            self.query_one(LogPane).write_lines([asked] if asked else [])

    def action_again(self) -> None:
        if not self._watch.has_ended:
            return
        from loratui.tui.resuming import resume_or_review

        resume_or_review(self.app, self.run_shown, self.view.state, self._say)

    def _say(self, error: UserError) -> None:
        asking.sorry(self.app, error)

    def action_back(self) -> None:
        for name in ("log", "chart"):
            if self.has_class(f"-{name}"):
                self.action_view(name)
                return
        from loratui.tui.runs.screen import RunsScreen

        if any(isinstance(screen, RunsScreen) for screen in self.app.screen_stack):
            self.dismiss()
        else:
            own_app(self.app).replace_screen(RunsScreen())

    def action_leave(self) -> None:
        if not self._watch.has_ended:
            farewell = f"{self._run_name} goes on at step {self.view.step:,}. See it again: loratui"
            own_app(self.app).farewell = farewell
        elif self.view.final_file and self._watch.saw_it_run:
            own_app(self.app).farewell = str(words.absolute(self.view.final_file, self.run_shown.folder))
        self.app.exit()
