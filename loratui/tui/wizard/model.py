"""Step 1: the model to teach."""

from __future__ import annotations

from pathlib import Path

from textual import work
from textual.app import ComposeResult

from loratui.families import FAMILIES
from loratui.problems import Problem
from loratui.tui.text import clip, clip_path
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import Row, RowList
from loratui.tui.wizard.pane import StepPane

_NO_MODEL = (
    "  No base model was found here or in loratui's models folder.\n"
    "  To see the whole way with a tiny one, without any download, leave and run: loratui demo"
)


class ModelPane(StepPane):
    """A path, and the models found lying about."""

    NUMBER = 1
    QUESTION = "Which model do you want to teach?"
    HELP_TEXTS = {
        "": "A LoRA is made for one base model and its relatives. Choose the model you draw with.\n"
        "A .safetensors file or a diffusers folder; what it is, is read from its header.",
        "base-model": "A .safetensors file, or a diffusers folder (the one with model_index.json).\n"
        "~ stands for your home folder; relative paths count from where loratui was started.\n"
        "Old .ckpt files can run any code when opened, and are refused.",
        "models": "Base models found in loratui's models folder and in the folder loratui was started in.\n"
        "Up and down choose one; its path appears in the field above.",
    }

    def compose(self) -> ComposeResult:
        yield self.question()
        yield Field(
            "base.model",
            "Path",
            self.state.text("base.model"),
            placeholder="a .safetensors file or a diffusers folder",
        )

    def on_mount(self) -> None:
        self._found: list[str] = []
        self.call_after_refresh(self._look_around)  # the first frame comes first

    def focus_first(self) -> None:
        self.query_one(Field).enter()

    def show_facts(self) -> None:
        field = self.query_one(Field)
        field.put(self.state.text("base.model"))
        for rows in self.query(RowList):
            rows.choose(self._row_of(self.state.recipe.base.model))

    def note(self, field: Field) -> tuple[str, str]:
        model = self.state.model
        if self.state.wanted_model is not None:
            return "reading its header", ""
        if model is None or isinstance(model, Problem):
            return "", ""
        family = FAMILIES.get(model.family or "")
        words = family.title if family else model.family or "a base model"
        prediction = {"v": ", v-prediction", "flow": ", flow matching"}.get(model.prediction or "", "")
        by = "" if family is None or family.builtin else ", trained by the kohya engine"
        return f"{words}{prediction}{by}", "fine"

    @work(thread=True, exclusive=True, group="models")
    def _look_around(self) -> None:
        from loratui.tui.wizard.facts import found_base_models

        models = found_base_models()
        self.app.call_from_thread(self._show_models, [(str(m.path), m.family or "") for m in models])

    def _show_models(self, models: list[tuple[str, str]]) -> None:
        if not self.is_attached:
            return
        if not models:
            if not self.query_one(Field).text:
                self.mount(Line(_NO_MODEL, classes="hint"))
            return
        self._found = [path for path, _ in models]
        rows: list[Row] = []
        for path, family in models:
            title = FAMILIES[family].title if family in FAMILIES else family
            name = "demo (tiny, random weights)" if _is_demo(path) else Path(path).name
            rows.append(
                ((f"{clip(name, 28):<28}  ", "strong"), (f"{title:<22} ", ""), (clip_path(path, 60), "dim"))
            )
        self.mount(
            Line("  Found on this machine (tab, then up and down)", classes="heading"),
            RowList(rows, self._row_of(self.state.recipe.base.model), id="models"),
        )
        real = [path for path in self._found if not _is_demo(path)]
        if not self.state.recipe.base.model and not self.query_one(Field).text and real:
            self.state.type("base.model", real[0])
            self.post_message(self.Changed())

    def _row_of(self, model: str) -> int:
        return self._found.index(model) if model in self._found else -1

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        event.stop()
        self.state.type("base.model", self._found[event.index])
        self.post_message(self.Changed())


def _is_demo(path: str) -> bool:
    return Path(path).parent.name == "demo"
