"""The runs on this machine."""

from __future__ import annotations

import time
from pathlib import Path

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Input

from loratui.events import ENDED
from loratui.problems import UserError
from loratui.runs import store
from loratui.runs.listing import Listing
from loratui.runs.queueing import queue_file
from loratui.runs.rental import machine_news
from loratui.runs.store import RunSummary
from loratui.tui import link, text
from loratui.tui.own_app import own_app
from loratui.tui.runs import filtering, keys, rows
from loratui.tui.runs.filtering import FilterEntry
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import RowList

POLL = 1.0
POLL_SLOW = 5.0
HELP = (
    "Runs go on whether or not this window is open. LOST is a run whose machine restarted or whose\n"
    "supervisor was killed: r goes on from the last saved state. QUEUED runs wait for a GPU, number 1\n"
    "is next: e changes one, K and J move it, H holds it back, d takes it out.\n"
    "That a machine which restarts tells of it and goes on by itself: loratui after-restart --show"
)


class RunsScreen(Screen[None]):
    """A row for each run: what trains, what waits, what is over."""

    BINDINGS = keys.BINDINGS

    def __init__(self, chosen: str = "", note: str = "", listing: Listing | None = None) -> None:
        """``chosen`` is the run to begin at, ``note`` what is said of it until the cursor moves; ``listing``
        has looked already."""
        super().__init__()
        self._listing = listing or Listing()
        self._wanted = chosen
        self._note = note
        self._noted: tuple[str, str] | None = None
        """The run that the note speaks of, and its state then: another state makes it old."""
        self._all: list[RunSummary] = []
        self._summaries: list[RunSummary] = []
        """Those that are listed."""
        self._typed = ""
        """What every run listed holds."""
        self._queue = queue_file.Queue()
        self._marked: list[str] = []

    def compose(self) -> ComposeResult:
        yield Line("loratui   runs", id="title")
        yield Line(id="runs-head")
        yield RowList(id="runs")
        yield FilterEntry()
        yield Line(id="runs-about")
        yield KeyBar()

    def on_mount(self) -> None:
        self._look()
        self.query_one(RowList).focus()
        self.set_interval(POLL_SLOW if link.is_slow() else POLL, self._tick)

    def on_screen_resume(self) -> None:
        self._look()

    def on_resize(self) -> None:
        self._show()

    def look_at(self, chosen: str, note: str = "") -> None:
        """Go to a run and say something of it."""
        self._wanted, self._note, self._noted = chosen, note, None
        self._typed = self.query_one(FilterEntry).value = ""
        self._look()

    def _tick(self) -> None:
        if self.is_current and (self.app.app_focus or int(time.monotonic()) % 5 == 0):
            self._look()

    def _look(self) -> None:
        chosen = self._chosen()
        wanted = self._wanted or (chosen.id if chosen else "")
        self._queue = queue_file.read()
        self._all = rows.in_order(self._listing.look(), self._queue)
        self._list(wanted)

    def _list(self, wanted: str) -> None:
        """Those of all runs that hold what was typed, with the cursor on this one where it is among them."""
        self._summaries = filtering.matching(self._all, self._typed, self._queue)
        ids = [row.id for row in self._summaries]
        known = {row.id for row in self._all}
        self._marked = [run_id for run_id in self._marked if run_id in known]
        self._forget_old_note(wanted)
        self._wanted = ""
        self._show(ids.index(wanted) if wanted in ids else None)

    def _forget_old_note(self, about: str) -> None:
        states = {row.id: row.state for row in self._all}
        if not self._note or about not in states:
            return
        self._noted = self._noted or (about, states[about])
        if states.get(self._noted[0]) != self._noted[1]:
            self._note, self._noted = "", None

    def _show(self, cursor: int | None = None) -> None:
        width = self.size.width
        if not width:
            self._wanted = self._wanted or (self._summaries[cursor].id if cursor is not None else "")
            return
        self.query_one("#runs-head", Line).show(rows.head(width))
        shown = [rows.row(summary, width, self._queue, self._marked) for summary in self._summaries]
        self.query_one(RowList).show_rows(shown, cursor)
        self._show_about()

        stop = machine_news.pending()
        soon = f"{machine_news.words(stop)} Any key keeps it on." if stop else ""
        few = filtering.title(self._typed, len(self._summaries), len(self._all))
        title = "   ".join(filter(None, ("loratui   runs", soon, few)))
        self.query_one("#title", Line).show(text.clip(title, width - 2))

    def _show_about(self) -> None:
        chosen = self._chosen()
        self.query_one("#runs-about", Line).show(self._note or self._about(chosen))
        held = chosen is not None and chosen.id in self._queue.held
        if self.query_one(FilterEntry).display:
            self.query_one(KeyBar).show(keys.TYPING)
        else:
            filters = bool(self._typed) or len(self._all) > keys.MANY
            self.query_one(KeyBar).show(keys.shown(chosen, held, len(self._marked), filters))

    def _about(self, chosen: RunSummary | None) -> str:
        if chosen is None:
            return "No run holds that. esc shows all." if self._typed else "No runs yet. n starts one."
        if self._marked:
            from loratui.tui.runs.comparing import marked_words

            return marked_words(self._marked, self._all, chosen.id)
        if chosen.state == "queued":
            from loratui.tui.runs import waiting

            kept = waiting.unsaved(chosen.folder)
            return "\n".join(filter(None, (waiting.words(chosen.id), kept, waiting.about_queue())))
        about = text.home_path(chosen.folder)
        if chosen.state == "lost":
            about += f"\nLOST: {text.plain(chosen.reason)} r goes on with it."
        elif chosen.reason:
            about += f"\n{text.clip(text.plain(chosen.reason), 200)}"
        return about

    def _chosen(self) -> RunSummary | None:
        index = self.query_one(RowList).cursor
        return self._summaries[index] if 0 <= index < len(self._summaries) else None

    @property
    def _run(self) -> store.Run | None:
        """The run under the cursor."""
        chosen = self._chosen()
        return store.Run(chosen.id, Path(chosen.folder)) if chosen else None

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self._note = ""
        self._show_about()

    # Keys

    def action_open(self) -> None:
        if self._run is not None:
            own_app(self.app).show_run(self._run)

    def action_result(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            from loratui.tui.runs.opening import result

            result(self.app, chosen)

    def action_queue(self, wish: str) -> None:
        """Keys of a run that waits; on another they do nothing."""
        chosen = self._chosen()
        if chosen is None or chosen.state != "queued":
            return
        from loratui.tui.runs import waiting

        self._note = ""
        try:
            waiting.act(store.Run(chosen.id, Path(chosen.folder)), wish)  # type: ignore[arg-type]
        except UserError as error:
            self._refuse(error)
        self._look()

    def action_new(self) -> None:
        own_app(self.app).show_wizard(None)

    def action_edit(self) -> None:
        chosen = self._chosen()
        if chosen is not None and self._run is not None:
            from loratui.tui.resuming import edit_copy, edit_waiting

            edit = edit_waiting if chosen.state == "queued" else edit_copy
            edit(self.app, self._run, self._refuse)

    def action_again(self) -> None:
        chosen = self._chosen()
        if chosen is None or self._run is None:
            return
        if chosen.state not in ENDED:
            self.action_open()
            return
        from loratui.tui.resuming import resume_or_review

        resume_or_review(self.app, self._run, chosen.state, self._refuse)

    def action_delete(self) -> None:
        chosen = self._chosen()
        if chosen is not None:
            from loratui.tui.runs.deleting import delete

            delete(self.app, chosen, self._said)

    def action_mark(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        if chosen.id in self._marked:
            self._marked.remove(chosen.id)
        else:
            self._marked = [*self._marked[-1:], chosen.id]
        self._note = ""
        self._show()

    def action_unmark(self) -> None:
        """What was done last is undone first: the filter, then the marks."""
        entry = self.query_one(FilterEntry)
        if self._typed or entry.display:
            entry.value = ""
            self.action_filtered()
            self._filter("")
            return
        self._marked, self._note = [], ""
        self._show()

    def action_filter(self) -> None:
        entry = self.query_one(FilterEntry)
        entry.display = True
        entry.focus()
        self._show_about()

    def action_filtered(self) -> None:
        """Back to the list, with the filter as it is."""
        self.query_one(RowList).focus()
        self.query_one(FilterEntry).display = False
        self._show_about()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value.strip() != self._typed:
            self._filter(event.value.strip())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_filtered()

    def _filter(self, typed: str) -> None:
        chosen = self._chosen()
        self._typed, self._note = typed, ""
        self._list(chosen.id if chosen else "")

    def action_compare(self) -> None:
        chosen = self._chosen()
        if chosen is None:
            return
        if len(self._marked) < 2 and chosen.id not in self._marked:
            self.action_mark()
        if len(self._marked) == 2:
            from loratui.tui.runs.comparing import compare

            compare(self.app, self._marked, self._refuse)

    def _said(self, words: str) -> None:
        self._note, self._noted = words, None
        self._look()

    def _refuse(self, error: UserError) -> None:
        from loratui.tui.help import TextScreen

        self.app.push_screen(TextScreen("That was not possible", text.plain(str(error))))

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        self.app.push_screen(HelpScreen(HELP, self.BINDINGS))

    def action_leave(self) -> None:
        self.app.exit()
