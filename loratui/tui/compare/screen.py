"""Two runs over each other: their losses on one chart, what they were told differently, what they drew."""

from __future__ import annotations

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.screen import Screen

from loratui.problems import UserError
from loratui.runs.comparison import Comparison, pictures, write_page
from loratui.tui import text
from loratui.tui.compare import words
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.pair_chart import PairChart
from loratui.tui.widgets.rows import RowList

HELP = (
    "A is drawn through, B is dashed; both are smoothed, their letters stand on them. Losses can only be\n"
    "held against each other where pictures, resolution and loss settings are the same: look at the list\n"
    "below the chart, and at the pictures (i). The lower line is not always the better LoRA."
)


class CompareScreen(Screen[None]):
    """What two runs were as they were when it was opened."""

    BINDINGS = [
        Binding("i", "pictures", "pictures", id="compare.pictures", tooltip="Sample pictures side by side"),
        Binding("w", "page", "page", id="compare.page", tooltip="Write all this as one HTML page"),
        Binding("g", "scale", "log scale", id="compare.scale", tooltip="Logarithmic scale, and back"),
        Binding("escape,q,c", "close", "back", id="compare.close", tooltip="Back to the list"),
        Binding("question_mark,f1", "help", "help", id="compare.help", tooltip="This help"),
    ]

    def __init__(self, found: Comparison) -> None:
        super().__init__()
        self._found = found

    def compose(self) -> ComposeResult:
        yield Line(id="compare-head")
        yield PairChart(*(view.losses for view in self._found.views), id="pair")
        yield Line(id="compare-differs")
        yield RowList(id="differences")
        yield Line(id="compare-said")
        drawn = [("i", "pictures")] if pictures(self._found) else []
        yield KeyBar(
            *drawn,
            ("w", "write a page"),
            ("g", "log scale"),
            ("up/down", "differences"),
            ("esc", "back"),
            ("?", "help"),
        )

    def on_mount(self) -> None:
        self.query_one(RowList).focus()

    def on_resize(self) -> None:
        width = self.size.width
        self.query_one("#compare-head", Line).show(words.head(self._found, width - 2))
        self.query_one("#compare-differs", Line).show(words.differences_head(self._found, width))
        self.query_one(RowList).show_rows(words.difference_rows(self._found, width))

    def action_scale(self) -> None:
        self.query_one(PairChart).turn_scale()

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

        self.app.push_screen(HelpScreen(HELP, self.BINDINGS))

    def action_close(self) -> None:
        self.dismiss()
