"""Two runs over each other: their losses on one chart, what they were told differently, what they drew."""

from __future__ import annotations

import time

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from loratui.problems import UserError
from loratui.runs.reporting.comparison import Comparison, PairWatch, pictures, write_page
from loratui.tui import link, text
from loratui.tui.compare import words
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.pair_chart import PairChart
from loratui.tui.widgets.rows import RowList

HELP = (
    "A is drawn through, B is dashed; both are smoothed, their letters stand on them. A run that trains\n"
    "goes on growing here. Losses can only be held against each other where pictures, resolution and loss\n"
    "settings are the same: the sentence above the chart says whether. The lower line is not always the\n"
    "better LoRA: the pictures (i) tell."
)
POLL = 2.0
"""Seconds between two looks at runs that go on."""
POLL_SLOW = 5.0


class CompareScreen(Screen[None]):
    """Follows two runs until both are over."""

    AUTO_FOCUS = "PairChart"
    BINDINGS = [
        Binding("up,k", "move(-1)", "up", id="compare.up", tooltip="The list of differences, up", show=False),
        Binding(
            "down,j",
            "move(1)",
            "down",
            id="compare.down",
            tooltip="The list of differences, down",
            show=False,
        ),
        Binding("i", "pictures", "pictures", id="compare.pictures", tooltip="Sample pictures side by side"),
        Binding("w", "page", "page", id="compare.page", tooltip="Write all this as one HTML page"),
        Binding("escape,q,c", "close", "back", id="compare.close", tooltip="Back to the list"),
        Binding("question_mark,f1", "help", "help", id="compare.help", tooltip="This help"),
    ]

    def __init__(self, watch: PairWatch) -> None:
        super().__init__()
        self._watch = watch
        self._looked = time.monotonic()
        self._drawn = bool(pictures(watch.found))
        """Whether there are sample pictures to look at."""

    @property
    def _found(self) -> Comparison:
        return self._watch.found

    def compose(self) -> ComposeResult:
        yield Line(id="compare-head")
        yield PairChart(id="pair")
        yield Line(id="compare-differs")
        yield RowList(id="differences")
        yield Line(id="compare-said")
        yield KeyBar()

    def on_mount(self) -> None:
        self.query_one(RowList).can_focus = False
        self._show()
        self.set_interval(POLL_SLOW if link.is_slow() else POLL, self._tick)

    def _tick(self) -> None:
        if not (self.is_current and self._found.goes_on):
            return
        if self.app.app_focus or time.monotonic() - self._looked >= POLL_SLOW:
            self._looked = time.monotonic()
            self._watch.look()
            self._drawn = self._drawn or any(view.samples for view in self._found.views)
            self._show()

    def on_resize(self) -> None:
        self._show()

    def on_looked_at_looked(self) -> None:
        self._show()

    def _show(self) -> None:
        width = self.size.width
        if not width or not self.is_attached:
            return
        found, chart = self._found, self.query_one(PairChart)
        one, other = found.views
        chart.show((one.losses, other.losses), found.total_steps)
        self.query_one("#compare-head", Line).show(words.head(found, width - 2, chart.look))
        self.query_one("#compare-differs", Line).show(words.differences_head(found, width))
        self.query_one(RowList).show_rows(words.difference_rows(found, width))
        drawn = [("i", "pictures")] if self._drawn else []
        self.query_one(KeyBar).show(
            [
                *drawn,
                ("w", "page"),
                ("left/right", "cursor"),
                ("+ -", "zoom"),
                ("g", "log scale"),
                ("esc", "back"),
                ("?", "help"),
                ("0", "all"),
            ]
        )

    def action_move(self, by: int) -> None:
        self.query_one(RowList).action_move(by)

    def action_pictures(self) -> None:
        from loratui.tui.compare.samples import PairSamplesScreen

        if pictures(self._found):
            self.app.push_screen(PairSamplesScreen(self._found))
        else:
            self._say("Neither drew a sample picture.")

    def action_page(self) -> None:
        self._say("Writing the page.")
        self._write()

    @work(thread=True, exclusive=True, group="page")
    def _write(self) -> None:
        try:
            said = f"Written: {text.home_path(write_page(self._found))}"
        except UserError as error:
            said = f"No page: {text.plain(str(error))}"
        if self.is_attached:
            self.app.call_from_thread(self._say, said)

    def _say(self, words: str) -> None:
        self.query_one("#compare-said", Line).show(words)

    def action_help(self) -> None:
        from loratui.tui.help import HelpScreen

        self.app.push_screen(HelpScreen(HELP, [*PairChart.BINDINGS, *self.BINDINGS]))

    def action_close(self) -> None:
        self.dismiss()
