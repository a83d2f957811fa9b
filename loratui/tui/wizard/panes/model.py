"""Step 1: the model to teach."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.events import Key, Paste
from textual.timer import Timer

from loratui.families import FAMILIES
from loratui.formats.hub_id import is_hub_id
from loratui.problems import Problem
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, clip_path, column, plain
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList
from loratui.tui.wizard.panes.pane import StepPane

if TYPE_CHECKING:
    from loratui.tui.wizard.panes.offers import Offer, Offers

_POLL = 1.0
_BEGINS_PATH = ("/", "~", ".")


class ModelPane(StepPane):
    """The models on this disk, those of the catalogue, and a path for any other."""

    NUMBER = 1
    QUESTION = "Which model do you want to teach?"
    HELP_TEXTS = {
        "": "A LoRA is made for one base model and its relatives. Choose the model you draw with.\n"
        "What a file is, is read from its header.",
        "base-model": "A .safetensors file, a diffusers folder (the one with model_index.json), a name of\n"
        "the catalogue, or org/name on huggingface.co, which is fetched when training starts (HF_TOKEN).\n"
        "~ stands for your home folder; relative paths count from where loratui started.\n"
        "Old .ckpt files can run any code when opened, and are refused.",
        "models": "First those on this disk: loratui's models folder and the folder loratui was started in.\n"
        "Then those that can be fetched: d fetches the one under the cursor, in the background, and goes on\n"
        "where it broke off. You can go on at once: training waits for it, the wizard does not.",
    }

    BINDINGS = [
        Binding("d", "fetch", "download", id="model.fetch", tooltip="Download the model under the cursor"),
    ]

    def compose(self) -> ComposeResult:
        self._offers: Offers | None = None
        self._typed = False
        self._painted = 0
        """The width the list was cut to."""
        self._timer: Timer | None = None
        yield self.question()
        yield Field(
            "base.model",
            "Model",
            self.state.text("base.model"),
            placeholder="a .safetensors file, a diffusers folder, org/name on the hub, or a name from below",
        )
        yield Line("  looking around" + glyphs().more, id="models-head", classes="heading")
        yield RowList(id="models")
        yield Line(id="model-facts", classes="facts")

    def on_mount(self) -> None:
        self.call_after_refresh(self._look_around)  # the first frame comes first

    def focus_first(self) -> None:
        rows = self.query_one(RowList)
        if rows.cursor >= 0 and self._row_of(self.state.recipe.base.model) >= 0:
            rows.focus()
        else:
            self.query_one(Field).enter()

    @work(thread=True, exclusive=True, group="models")
    def _look_around(self) -> None:
        from loratui.tui.wizard.panes import offers

        found = offers.offers()
        if self.is_attached:
            self.app.call_from_thread(self._take, found)

    def _take(self, found: Offers) -> None:
        if not self.is_attached:
            return
        first, self._offers = self._offers is None, found
        self.state.take_machine(found.machine)
        field = self.query_one(Field)
        if found.first and not self._typed and not self.state.recipe.base.model:
            self.state.propose_model(found.first)
            field.put(found.first)
        rows = self.query_one(RowList)
        rows.show_rows(self._rows(), self._row_of(self.state.recipe.base.model))
        if first and not self._typed and field.has_focus_within and rows.cursor >= 0:
            rows.focus()
        self.post_message(self.Settled())

    def take(self, field: Field, text: str) -> None:
        self._typed = True  # nothing is proposed any more, and the cursor stays
        super().take(field, text)

    def is_settled(self) -> bool:
        """An empty field may be about to be filled."""
        return self._typed or self._offers is not None or bool(self.state.recipe.base.model)

    def on_resize(self) -> None:
        """The list is cut to the room there is, which is known only now."""
        if self.size.width != self._painted:
            self.show_facts()

    def _rows(self) -> list[Row]:
        assert self._offers is not None
        return [_row(offer, self.size.width) for offer in self._offers.rows]

    def _row_of(self, model: str) -> int:
        models = [offer.model for offer in self._offers.rows] if self._offers else []
        return models.index(model) if model in models else -1

    def _chosen(self) -> Offer | None:
        index = self.query_one(RowList).cursor
        rows = self._offers.rows if self._offers else ()
        return rows[index] if 0 <= index < len(rows) else None

    def show_facts(self) -> None:
        field = self.query_one(Field)
        if not field.has_focus_within:
            field.put(self.state.text("base.model"))
        if self._offers is not None:
            self._painted = self.size.width
            rows = self.query_one(RowList)
            # On its way by keys, the cursor may be ahead of the recipe.
            at = None if rows.has_focus and rows.cursor >= 0 else self._row_of(self.state.recipe.base.model)
            rows.show_rows(self._rows(), at)
            title = _title_width(self.size.width)
            where = "on this disk, then to fetch"
            head = f"  {where:<{title}}  {'download':<{_TOLD}}{'GPU memory':<{_FIT}}engine"
            self.query_one("#models-head", Line).show(head)
        self.query_one("#model-facts", Line).show(self._facts())
        self._watch()

    def _facts(self) -> Content:
        chosen = self._chosen()
        if chosen is None or chosen.entry is None:
            return Content(f"  {clip_path(chosen.model, 76)}" if chosen else "")
        entry = chosen.entry
        parts = [("  " + entry.words + "\n" if entry.words else "", "")]
        licence = f"licence {entry.licence}" if entry.licence else "licence: see its page"
        parts.append((f"  {licence}\n  {clip(entry.url, 76)}\n", "$text-muted"))
        if entry.gated and not chosen.here:
            parts.append(("  accept the licence on its page first; then a token in HF_TOKEN\n", "$warning"))
        from loratui.models import fetching

        told = fetching.status(entry.name)
        if told is not None and told.state != "done" and not chosen.here:
            style = "$error" if told.state == "failed" else "$accent"
            parts.append((f"  {plain(told.sentence())}\n", style))
        elif not chosen.here:
            parts.append(("  d fetches it now; Enter goes on, and it can be fetched on Review\n", "$accent"))
        parts[-1] = (parts[-1][0].rstrip("\n"), parts[-1][1])
        return Content.assemble(*parts)

    def keys(self) -> list[tuple[str, str]]:
        chosen = self._chosen()
        return [("d", "download")] if chosen and chosen.entry and not chosen.here else []

    def note(self, field: Field) -> tuple[str, str]:
        model = self.state.model
        if self.state.wanted_model is not None:
            on_hub = is_hub_id(self.state.recipe.base.model)
            return ("asking the hub for it" if on_hub else "reading its header"), ""
        if model is None or isinstance(model, Problem):
            return "", ""
        family = FAMILIES.get(model.family or "")
        words = family.title if family else model.family or "a base model"
        if family is None:
            return f"{words}: no engine here trains it", "wrong"
        prediction = {"v": ", v-prediction", "flow": ", flow matching"}.get(model.prediction or "", "")
        by = "" if family.builtin else ", trained by the kohya engine"
        if is_hub_id(self.state.recipe.base.model):
            by += f"; {model.evidence[-1]}"
        if model.prediction is None:
            return f"{words}; its name speaks of v-prediction: set Prediction on Review", "unusual"
        return f"{words}{prediction}{by}", "fine"

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        chosen = self._chosen()
        if chosen is not None:
            self.state.type("base.model", chosen.model)
            self.query_one(Field).put(chosen.model)
            self.post_message(self.Changed())

    def on_paste(self, event: Paste) -> None:
        """A path is meant for the field wherever the cursor is."""
        event.stop()
        if event.text.strip():
            self.query_one(Field).begin(event.text.strip().splitlines()[0])

    def on_key(self, event: Key) -> None:
        """So is one that is begun on the list."""
        if event.character in _BEGINS_PATH and self.query_one(RowList).has_focus:
            event.stop()
            self.query_one(Field).begin(event.character)

    # Fetching

    def action_fetch(self) -> None:
        chosen = self._chosen()
        if chosen is None or chosen.entry is None or chosen.here:
            return
        from loratui.models import fetching

        fetching.start(chosen.entry.name)
        self.post_message(self.Changed())
        self._watch(begun=True)

    def _watch(self, *, begun: bool = False) -> None:
        """Look once a second while something is on its way, and not otherwise."""
        if self._timer is None and (begun or self._under_way()):
            self._timer = self.set_interval(_POLL, self._tick)

    def _under_way(self) -> bool:
        from loratui.models import fetching
        from loratui.models.named import entry_of

        entry = entry_of(self.state.recipe.base.model)
        told = fetching.status(entry.name) if entry else None
        return told is not None and told.under_way

    def _tick(self) -> None:
        if self._timer is not None and not self._under_way() and self._settled():
            self._timer.stop()
            self._timer = None
            self._look_around()
        elif self.display:
            self.show_facts()

    def _settled(self) -> bool:
        """Whether the process that was started has said anything yet."""
        from loratui.models import fetching
        from loratui.models.named import entry_of

        entry = entry_of(self.state.recipe.base.model)
        return entry is None or fetching.status(entry.name) is not None


_TOLD, _FIT, _ENGINE = 13, 15, 9
"""Columns of the list behind the title."""


def _title_width(width: int) -> int:
    """What is left of a row for the title: cursor and the gap behind it take four."""
    return min(38, max(16, width - _TOLD - _FIT - _ENGINE - 4))


def _row(offer: Offer, width: int) -> Row:
    from loratui.tui.wizard.panes.offers import (
        state_of,  # brings the network along: not before the first frame
    )

    told = state_of(offer)
    style = "good" if told == "on disk" else ""
    title = _title_width(width)
    need = "" if offer.needs_gib is None else f"{offer.needs_gib:.0f} GiB"
    fit, fit_style = need, "dim"
    if offer.fits is not None and need:
        fit = f"{need} {glyphs().fine}" if offer.fits else f"{need} {glyphs().wrong} too big"
        fit_style = "" if offer.fits else "warn"
    return (
        (f"{column(plain(offer.title), title)}  ", "strong"),
        (f"{told:<{_TOLD}}", style),
        (f"{fit:<{_FIT}}", fit_style),
        (offer.engine or "no engine", "dim" if offer.engine else "bad"),
    )
