"""The app: which screen opens first, what all screens share, and nothing else."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ.setdefault("TEXTUAL_FPS", "30")  # read once, when Textual is imported

from textual import events, work
from textual.app import App
from textual.binding import Binding
from textual.screen import Screen
from textual.theme import Theme

from loratui import places
from loratui.recipe import Recipe
from loratui.tui import breakpoints
from loratui.tui.glyphs import glyphs
from loratui.tui.painting import Painter, differing
from loratui.tui.typeahead import Ahead
from loratui.tui.widgets.scroll import choose_bars

if TYPE_CHECKING:
    from loratui.runs.store import Run
    from loratui.tui.wizard.screen import Start

_RUNNING = ("starting", "running", "stopping")

THEME = Theme(
    name="loratui",
    primary="#5f87af",
    secondary="#5f87af",
    accent="#5fafff",
    warning="#ffaf5f",
    error="#ff8787",
    success="#5fd7af",
    foreground="#d0d0d0",
    background="#121212",
    surface="#1c1c1c",
    panel="#262626",
    dark=True,
    variables={
        "text-muted": "#9e9e9e",
        "text-disabled": "#6c6c6c",
    },  # of Textual's own, spans are painted white
)


class LoratuiApp(App[None]):
    """Modes, bindings and theme."""

    TITLE = "loratui"
    CSS_PATH = Path(__file__).with_name("app.tcss")
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (breakpoints.WIDE, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (breakpoints.TALL, "-tall")]
    BINDINGS = [
        Binding("ctrl+c", "leave", "leave", id="app.leave", priority=True, show=False, tooltip="Leave"),
        Binding("ctrl+q", "leave", "leave", id="app.quit", priority=True, show=False),
        Binding(
            "ctrl+z",
            "suspend_process",
            "to the shell",
            id="app.suspend",
            show=False,
            tooltip="To the shell for a moment; fg comes back, and a run goes on meanwhile",
        ),
        Binding(
            "ctrl+l", "repaint", "repaint", id="app.repaint", show=False, tooltip="Paint the screen anew"
        ),
    ]

    def __init__(
        self,
        recipe: Recipe | None = None,
        run_id: str | None = None,
        note: str = "",
        start: Start | None = None,
        first: Callable[[], Screen[Any]] | None = None,
    ) -> None:
        super().__init__()
        self._first = first
        self._recipe = recipe
        self._run_id = run_id
        self._note = note
        self._start = start or start_run
        self._painter = Painter()
        self.keys_ahead = Ahead(self, super().on_event)
        self.animation_level = "none"
        self.farewell = ""
        """What is said in the terminal once the screens are gone."""
        self.register_theme(THEME)
        self.set_reactive(App.theme, THEME.name)  # before the first style is computed
        self.stylesheet.set_variables(self.get_css_variables())  # made in the constructor, of another theme

    def get_default_screen(self) -> Screen[None]:
        """What opens first: the run or the recipe given, the only run that is running, the list of runs, or
        the wizard."""
        self.set_class(not glyphs().unicode, "-ascii")
        choose_bars()
        if self._first is not None:
            return self._first()
        if self._run_id is not None:
            from loratui.runs import store

            return self._panel(store.find(self._run_id))
        if self._recipe is None and places.runs_folder().is_dir():
            from loratui.runs.layout import Run
            from loratui.runs.listing import Listing

            listing = Listing()
            runs = listing.look()
            running = [row for row in runs if row.state in _RUNNING]
            if len(running) == 1:
                return self._panel(Run(running[0].id, running[0].folder))
            if runs:
                from loratui.tui.runs.screen import RunsScreen

                return RunsScreen(listing=listing)
        from loratui.tui.wizard.screen import WizardScreen

        return WizardScreen(self._recipe, self._start, note=self._note)

    def on_mount(self) -> None:
        for signal_ in (self.app_suspend_signal, self.app_resume_signal):
            signal_.subscribe(self, self._on_other_screen)
        self.call_after_refresh(self._tell_of_lost)

    def _on_other_screen(self, _: App[Any]) -> None:
        """The terminal belongs, or belonged, to somebody else."""
        self._painter.forget()

    @work(thread=True)
    def _tell_of_lost(self) -> None:
        """Word of runs that were lost while nobody looked, to whom notify.toml names."""
        if (places.home() / "notify.toml").is_file():
            from loratui.runs.supervision.afterwards import after_all_lost

            after_all_lost(time.time())

    async def on_event(self, event: events.Event) -> None:
        """Any key keeps this machine on, whatever else it does; each waits for the one before it."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        from loratui.runs.rental import machine_news

        if machine_news.keep() is not None:
            self.notify("This machine stays on.", timeout=10)
        await self.keys_ahead.take(event)

    def _panel(self, run: Run) -> Screen[None]:
        from loratui.tui.training.screen import TrainingScreen

        return TrainingScreen(run, note=self._note)

    def show_wizard(
        self,
        recipe: Recipe | None,
        *,
        step: int = 1,
        parent: tuple[str, Recipe] | None = None,
        waiting: Run | None = None,
        note: str = "",
    ) -> None:
        """Open the wizard over what is shown; with ``parent``, the run it was copied from and its recipe,
        only what differs is shown. ``waiting`` is a run in the queue that is changed."""
        from loratui.tui.wizard.screen import WizardScreen

        screen = WizardScreen(recipe, self._start, step=step, parent=parent, waiting=waiting, note=note)
        self.push_screen(screen)

    def show_run(self, run: Run) -> None:
        """Open the panel of a run, in place of the wizard it was started from."""
        from loratui.tui.training.screen import TrainingScreen
        from loratui.tui.wizard.screen import WizardScreen

        screen = TrainingScreen(run)
        if isinstance(self.screen, WizardScreen | TrainingScreen):
            self.replace_screen(screen)
        else:
            self.push_screen(screen)

    def show_runs(self, chosen: str = "", note: str = "") -> None:
        """The list of runs in place of what is shown, at this run, with something to say of it."""
        from loratui.tui.runs.screen import RunsScreen

        below = next((screen for screen in self.screen_stack if isinstance(screen, RunsScreen)), None)
        if below is None:
            self.replace_screen(RunsScreen(chosen, note))
            return
        while self.screen is not below:
            self.pop_screen()
        below.look_at(chosen, note)

    def replace_screen(self, screen: Screen[None]) -> None:
        """Open a screen in place of the one shown; the first screen of all stays below, out of sight."""
        if len(self.screen_stack) > 1:
            self.switch_screen(screen)
        else:
            self.push_screen(screen)

    def _display(self, screen: Screen[Any], renderable: Any, *more: Any, **named: Any) -> None:
        shown = differing(self._painter, renderable, self.size.width)
        super()._display(screen, shown, *more, **named)

    def on_resize(self) -> None:
        """What a terminal makes of its cells when it changes its size is its own affair."""
        self._painter.forget()

    def action_repaint(self) -> None:
        """Something else has written on the terminal."""
        self._painter.forget()
        try:
            self._display(self.screen, self.screen._compositor.render_update(full=True))
        except (AttributeError, TypeError):  # private names of Textual's; what is public paints less
            self.refresh(layout=True)

    def _fatal_error(self) -> None:
        """A fault of ours ends the screens; ``run_app`` hands it on, so that no traceback is shown."""
        self._close_messages_no_wait()

    @property
    def fault(self) -> Exception | None:
        """What ended the screens, when it was not the person."""
        return self._exception

    def action_leave(self) -> None:
        """ctrl+c: what ``q`` means on the screen below any dialog. It never ends a run."""
        for screen in reversed(self.screen_stack):
            if hasattr(screen, "action_leave"):
                screen.action_leave()
                return
        self.exit()


def start_run(recipe: Recipe, total_steps: int | None) -> Run:
    """Start a recipe on its engine. Raises ``UserError``."""
    from loratui.engines.registry import engine
    from loratui.runs import launch

    return launch.start(recipe, engine(recipe.launch.engine), total_steps)


def run_app(
    recipe: Recipe | None = None,
    run_id: str | None = None,
    note: str = "",
    *,
    mouse: bool = True,
    first: Callable[[], Screen[Any]] | None = None,
) -> int:
    """Show the screens until the person leaves. Returns the exit code. ``first`` makes the screen to open
    with, where it is none of the usual ones.

    Raises ``UserError`` when there is no run of that id, and whatever fault ended the screens.
    """
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        print("loratui: the screens need a terminal. Without one: loratui train FILE", file=sys.stderr)
        return 2
    if run_id is not None:
        from loratui.runs import store

        run_id = store.find(run_id).id
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup Textual would spin for ever
    app = LoratuiApp(recipe, run_id, note, first=first)
    threading.Thread(target=_end_with_the_terminal, args=(app,), daemon=True).start()
    app.run(mouse=mouse)
    if app.fault is not None:
        raise app.fault
    if app.farewell:
        print(app.farewell)
    return app.return_code or 0


def _end_with_the_terminal(app: LoratuiApp) -> None:
    """Wait until standard input is hung up, and go: Textual takes its end for a silence and spins."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # POLLHUP and POLLERR are always told
    poll.poll()
    with contextlib.suppress(RuntimeError):
        app.call_from_thread(app.action_leave)
    time.sleep(2)
    os._exit(129)
