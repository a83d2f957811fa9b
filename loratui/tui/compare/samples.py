"""The sample pictures of two runs side by side."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.screen import Screen

from loratui.runs.reporting.comparison import Comparison, PicturePair, pictures
from loratui.tui import text
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.picture import Picture
from loratui.tui.widgets.rows import Row, RowList


class PairSamplesScreen(Screen[None]):
    """A row for each prompt and step. Both pictures are drawn only when Enter asks for them."""

    BINDINGS = [
        Binding("enter", "show", "show", id="pair.show", tooltip="Draw both pictures in the terminal"),
        Binding("escape,q,i", "close", "back", id="pair.close", tooltip="Back"),
    ]

    def __init__(self, found: Comparison) -> None:
        super().__init__()
        self._names = found.names
        self._pairs = pictures(found)

    def compose(self) -> ComposeResult:
        yield Line("Sample pictures side by side", classes="question")
        yield RowList([_row(pair) for pair in self._pairs], id="samples")
        yield Line(id="pair-names", classes="heading")
        with Horizontal(id="pair-pictures"):
            yield Picture(id="left")
            yield Picture(id="right")
        yield KeyBar(("enter", "show both"), ("up/down", "choose"), ("esc", "back"))

    def on_mount(self) -> None:
        self.query_one(RowList).focus()

    @property
    def _chosen(self) -> PicturePair | None:
        cursor = self.query_one(RowList).cursor
        return self._pairs[cursor] if cursor >= 0 else None

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        for picture in self.query(Picture):
            picture.show(None)
        self.query_one("#pair-names", Line).show("")

    def action_show(self) -> None:
        pair = self._chosen
        if pair is None:
            return
        half = self.size.width // 2
        titles = [
            f"{letter} {text.plain(name)} {_step(step)}"
            for letter, name, step in zip("AB", self._names, pair.steps, strict=True)
        ]
        words = " ".join(text.column(title, half - 1) for title in titles)
        self.query_one("#pair-names", Line).show(words.rstrip())
        for side, path in zip(("#left", "#right"), pair.files, strict=True):
            self.query_one(side, Picture).show(path)

    def on_picture_drawn(self, event: Picture.Drawn) -> None:
        if event.error:
            self.query_one("#pair-names", Line).show(text.plain(f"{event.path.name}: {event.error}"))

    def action_close(self) -> None:
        self.dismiss()


def _step(step: int | None) -> str:
    return "none" if step is None else f"step {step:,}"


def _row(pair: PicturePair) -> Row:
    steps = "".join(f"{f'{letter} {_step(step)}':<14}" for letter, step in zip("AB", pair.steps, strict=True))
    return ((steps, "strong"), (text.clip(text.plain(pair.prompt), 60), ""))
