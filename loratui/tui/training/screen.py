"""The panel of one run: a pure reader of its files, and the few keys that ask for something."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Literal

from textual import work
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Resize
from textual.screen import Screen

from loratui.events import ENDED
from loratui.problems import UserError
from loratui.runs import machine_news
from loratui.runs.follow import LogTail, RunFollower
from loratui.runs.store import Run, read_run_file
from loratui.runs.view import RunView
from loratui.tui import link, text
from loratui.tui.calling import call_back
from loratui.tui.training import about, asking, curve_words, doors, gpu_words, host_words, keys, words
from loratui.tui.training.log_pane import LogPane
from loratui.tui.widgets.curve_chart import CurveChart
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

if TYPE_CHECKING:
    from loratui.runs.gpu import GpuReading
    from loratui.runs.host import Host

POLL = 0.5
"""Seconds between looks while the terminal has the focus."""
POLL_SLOW = 5.0
"""The same on a slow link, and without the focus anywhere."""
MACHINE_POLL = 2.0
HOST_POLL = 10.0
"""Memory and disk change slowly, and every change costs bytes."""
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
        self._follower = RunFollower(run)
        self._tail = LogTail(run.output)
        self.view = RunView()
        self._resumable = False
        self._looked = 0.0
        self._machine_looked = 0.0
        self._gpus: GpuReading | None = None
        self._host: Host | None = None
        self._host_looked = 0.0
        self._peaks: dict[int, int] = {}
        self._curve = curve_words.LOSS
        self._saw_it_run = False

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
        now = time.monotonic()
        if not self.app.app_focus and now - self._looked < POLL_SLOW - POLL / 2:
            return
        if self.view.state not in ENDED or self._tail_may_grow(now):
            self._look()

    def _tail_may_grow(self, now: float) -> bool:
        """An ended run may be resumed from elsewhere: looked at now and then."""
        return now - self._looked >= POLL_SLOW

    def _look(self) -> None:
        self._looked = time.monotonic()
        before, self.view = self.view, self._follower.poll()
        if self.view.state in ENDED:
            self._resumable = self.view.state != "finished" and self._has_state()
            if self._saw_it_run and before.state not in ENDED:
                call_back(self.app, f"{self._run_name}: {words.verdict(self.view)}")
        else:
            self._saw_it_run = True
            if self._looked - self._machine_looked >= MACHINE_POLL:
                self._machine_looked = self._looked
                self._read_machine()
        lines = [*self._tail.poll(), *words.news(before, self.view)]
        if lines:
            self.query_one(LogPane).write_lines(lines)
        self._show()

    def _has_state(self) -> bool:
        from loratui.runs.launch import newest_state

        return newest_state(self.run_shown) is not None

    @work(thread=True, exclusive=True, group="machine")
    def _read_machine(self) -> None:
        from loratui.runs import gpu, host

        reading = gpu.sample()
        if reading.gpus:
            ours = gpu.visible(reading, os.environ)
            reading = gpu.GpuReading(ours, reading.sentence if ours else "No GPU is visible to this run.")
        seen, now = self._host, time.monotonic()
        if seen is None or now - self._host_looked >= HOST_POLL:
            seen, self._host_looked = host.sample(self.run_shown.folder), now
        if self.is_attached:
            self.app.call_from_thread(self._show_machine, reading, seen)

    def _show_machine(self, gpus: GpuReading, host: Host) -> None:
        self._gpus, self._host = gpus, host
        for gpu in gpus.gpus:
            self._peaks[gpu.index] = max(gpu.used_bytes, self._peaks.get(gpu.index, 0))
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
        self._show_curve()
        self.query_one("#strip", Line).show(
            text.clip(
                "   ".join(filter(None, (words.files(view), gpu_words.strip(self._gpus, view.peak_memory)))),
                width - 2,
            )
        )
        self.query_one("#gpu", Line).show(
            gpu_words.block(self._gpus, SIDE_WIDTH, self._peaks, view.peak_memory)
        )
        self.query_one("#host", Line).show(host_words.rows(self._host))
        self.query_one("#ready", Line).show("\n".join(words.ready_rows(view)))
        self._show_end(view)
        if self.has_class("-tall"):
            from loratui.runs.hint_states import decisions
            from loratui.tui.training.hint_table import table

            decided = decisions(self.run_shown) if view.hints else {}
            self.query_one("#hints", Line).show(table(view, width - 2, HINT_ROWS, decided))
        trigger = self._recipe.dataset.trigger if self._recipe else ""
        stop = machine_news.pending()
        note = f"{machine_news.words(stop)} Any key keeps it on." if stop else self._note
        self.query_one("#notice", Line).show(
            words.notice(view, self.run_shown.folder, note, trigger, self._resumable)
        )
        self._show_keys()

    def _show_curve(self) -> None:
        view, chart = self.view, self.query_one(CurveChart)
        is_loss = self._curve == curve_words.LOSS
        means = view.epoch_means if is_loss and self.has_class("-chart") else ()
        chart.show(curve_words.curve(view, self._curve), view.total_steps, means)
        if self.has_class("-chart"):
            words_at = curve_words.line(view, self._curve, chart.look)
            self.query_one("#curve", Line).show(text.clip(words_at, self.size.width - 2))

    def on_curve_chart_looked(self) -> None:
        self._show_curve()

    def on_log_pane_closed(self) -> None:
        self.action_back()

    def _show_end(self, view: RunView) -> None:
        """Make room for the verdict once there is one."""
        self.set_class(not view.hints and view.state in ("finished", "stopped"), "-well")
        if self.has_class("-ended") != (view.state in ENDED):
            self.toggle_class("-ended")
            self.query_one(LogPane).follow()

    def _show_keys(self) -> None:
        self.query_one(KeyBar).show(keys.shown(self.view, self._mode, self._resumable))

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
        doors.hints(self.app, self.run_shown, self.view, self.size.width - 4)

    def action_fix(self) -> None:
        from loratui.tui.training.mending import mend

        mend(self.app, self.run_shown, self.view, self._gpus, self._say)

    def action_result(self) -> None:
        doors.result(self.app, self.run_shown, self.view)

    def action_samples(self) -> None:
        doors.samples(self.app, self.run_shown, self.view)

    def action_notes(self) -> None:
        doors.notes(self.app, self.run_shown)

    def action_machine(self) -> None:
        from loratui.tui.training.machine import ask

        ask(self.app, self.run_shown)

    def action_paths(self) -> None:
        doors.paths(self.app, self.run_shown, self.view)

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        more = {"log": LogPane.BINDINGS, "chart": CurveChart.BINDINGS}.get(self._mode, [])
        self.app.push_screen(HelpScreen(about.HELP, [*more, *self.BINDINGS]))

    def action_stop(self) -> None:
        if self.view.state not in ENDED:
            asking.stop(self.app, self.run_shown, self._run_name, self._engine, self._look)

    def action_now(self, what: Literal["save", "sample"]) -> None:
        if self.view.state not in ENDED:
            asked = asking.now(self.app, self.run_shown, what)
            self.query_one(LogPane).write_lines([asked] if asked else [])

    def action_again(self) -> None:
        if self.view.state not in ENDED:
            return
        from loratui.tui.again import again

        again(self.app, self.run_shown, self.view.state, self._say)

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
            self.app.replace_screen(RunsScreen())  # type: ignore[attr-defined]

    def action_leave(self) -> None:
        if self.view.state not in ENDED:
            self.app.farewell = (  # type: ignore[attr-defined]
                f"{self._run_name} goes on at step {self.view.step:,}. See it again: loratui"
            )
        elif self.view.final_file and self._saw_it_run:
            self.app.farewell = str(words.absolute(self.view.final_file, self.run_shown.folder))  # type: ignore[attr-defined]
        self.app.exit()
