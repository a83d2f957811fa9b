"""Captions made by models, and the layout of three captions: looked for beside the screen, then shown, then
made by one key."""

from __future__ import annotations

from textual.binding import Binding

from loratui.dataset import history
from loratui.dataset.history import Plan, Written
from loratui.dataset.mending import sentences, tagging, variants
from loratui.dataset.mending.entries import Entries, read_entries
from loratui.dataset.pictures.probe_cache import cache_folder
from loratui.dataset.tagger import Tagger, chosen_model, locate
from loratui.tui.dataset.plan import PlanScreen, Proposed

_MODES: tuple[tagging.Mode, ...] = ("missing", "append", "overwrite")
_MODE_WORDS = {
    "missing": "only pictures without a caption",
    "append": "behind the captions there are",
    "overwrite": "in place of the captions there are",
}
_STEP = 0.05
_SAMPLES = (None, 30, 100)


class TagScreen(PlanScreen):
    """Tags by a tagger."""

    NAME = "tags by a tagger"
    HELP_TEXT = (
        "A WD14 tagger looks at each picture; what it says is kept, so another threshold costs nothing and"
        " a visit cut short goes on where it was. The model is fetched when first used; a folder with"
        " model.onnx and selected_tags.csv below loratui's models folder comes first."
    )
    BINDINGS = [
        Binding("plus,equals_sign,right", "threshold(1)", "fewer tags", id="tag.more", tooltip="Raise it"),
        Binding("minus,left", "threshold(-1)", "more tags", id="tag.less", tooltip="Lower the threshold"),
        Binding("m", "mode", "what with captions", id="tag.mode", tooltip="Missing, append, overwrite"),
    ]
    KEYS = (("enter", "do it"), ("+/-", "threshold"), ("m", "old captions"), ("u", "undo"))
    _threshold = 0.35
    _mode = 0

    def look(self) -> Proposed:
        entries = read_entries(history.begin(self.folder))
        choice = tagging.Choice(self._threshold, self._threshold, mode=_MODES[self._mode])
        model = chosen_model()
        tags = tagging.tag_all(
            entries,
            tagging.wanted(entries, choice),
            lambda: Tagger(locate(model)),
            model,
            cache_folder(),
            lambda done, total: self._tell(f"tagging, {done:,} of {total:,}", done == total),
            self.gone,
        )
        plan = tagging.plan_tags(entries, tags, choice, model)
        left = f"Threshold {self._threshold:.2f}; {_MODE_WORDS[_MODES[self._mode]]}."
        return _proposed(entries, plan, left)

    def action_threshold(self, by: int) -> None:
        self._threshold = min(0.95, max(_STEP, round(self._threshold + by * _STEP, 2)))
        self.look_again()

    def action_mode(self) -> None:
        self._mode = (self._mode + 1) % len(_MODES)
        self.look_again()


class SentenceScreen(PlanScreen):
    """Sentences by Kosmos-2."""

    NAME = "sentences by Kosmos-2"
    HELP_TEXT = (
        "Kosmos-2 describes each picture in a sentence, in a process of its own. What it says is kept: a"
        " visit cut short goes on where it was. The model is fetched when first used."
    )
    BINDINGS = [
        Binding("m", "mode", "old captions", id="sentence.mode", tooltip="Keep or replace captions"),
    ]
    KEYS = (("enter", "do it"), ("m", "old captions"), ("u", "undo"))
    _overwrites = False

    def look(self) -> Proposed:
        entries = read_entries(history.begin(self.folder))
        found = sentences.describe_all(
            entries,
            sentences.wanted(entries, self._overwrites),
            sentences.DEFAULT_MODEL,
            cache_folder(),
            lambda done, total: self._tell(f"describing, {done:,} of {total:,}", done == total),
            self.gone,
        )
        plan = sentences.plan_sentences(entries, found, sentences.DEFAULT_MODEL)
        mode = "overwrite" if self._overwrites else "missing"
        return _proposed(entries, plan, f"{_MODE_WORDS[mode].capitalize()}.")

    def action_mode(self) -> None:
        self._overwrites = not self._overwrites
        self.look_again()


class VariantsScreen(PlanScreen):
    """The layout of three captions."""

    NAME = "three captions"
    HELP_TEXT = (
        "Each picture three times: 10_empty without words, 10_wd with tags, 10_kosmos with a sentence."
        " Captions there are go where they fit; the taggers then fill what is missing."
    )
    BINDINGS = [
        Binding(
            "s", "sample", "how many", id="variants.sample", tooltip="All, or 30, or 100 drawn at random"
        ),
    ]
    KEYS = (("enter", "do it"), ("s", "all or some"), ("u", "undo"))
    _sample = 0

    def look(self) -> Proposed:
        entries = read_entries(history.begin(self.folder))
        plan = variants.plan_variants(entries, sample=_SAMPLES[self._sample])
        lines = tuple((name, name, "") for name in plan.put)
        return Proposed(plan, lines, f"{variants.REPEATS} repeats; the command line sets other numbers.")

    def action_sample(self) -> None:
        self._sample = (self._sample + 1) % len(_SAMPLES)
        self.look_again()


def _proposed(entries: Entries, plan: Plan, left: str) -> Proposed:
    """A line for each caption, with its words."""
    names = {entry.caption_name: entry.name for entry in entries.all}
    lines = [
        (names.get(name, name), names.get(name, name), source.data.decode("utf-8", "replace").strip())
        for name, source in plan.put.items()
        if isinstance(source, Written)
    ]
    return Proposed(plan, tuple(lines), left)
