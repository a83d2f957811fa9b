"""What the five steps have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.containers import VerticalScroll
from textual.events import DescendantBlur
from textual.message import Message
from textual.widget import Widget

from loratui.problems import Problem
from loratui.tui.text import sentence
from loratui.tui.widgets.field import Field
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import RowList
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.panes import pasted


class StepPane(VerticalScroll, can_focus=False):
    """One step: a question, fields, and what follows from them."""

    NUMBER: ClassVar[int]
    QUESTION: ClassVar[str]
    HELP_TEXTS: ClassVar[Mapping[str | None, str]] = {}
    """Three to six lines on each field, by its id; ``""`` is the step as a whole."""

    class Changed(Message):
        """The recipe has changed."""

    class Asked(Message):
        """Enter, on its way behind what the keys before it have changed."""

    class Next(Message):
        """A person wants to go on, and every change made before has been told."""

    class Settled(Message):
        """Something that Enter may have waited for is known now."""

    def __init__(self, state: WizardState) -> None:
        super().__init__(id=f"step-{self.NUMBER}", classes="step")
        self.state = state

    def question(self) -> Line:
        """The step's title."""
        return Line(self.QUESTION, classes="question")

    def focus_first(self) -> None:
        """Put the cursor where a person begins."""
        self.query(RowList).first().focus()

    def show_facts(self) -> None:
        """Show what follows from the recipe as it is now."""

    def keys(self) -> list[tuple[str, str]]:
        """Keys of this step's own, for the line at the bottom."""
        return []

    def solve(self) -> None:
        """Begin to solve, without asking, what stops Enter; it goes on by itself when that is done."""

    def is_settled(self) -> bool:
        """Whether enough is known here for Enter to have an answer."""
        return True

    def doubt(self) -> str:
        """What speaks against going on though it is possible, in a sentence; empty for nothing."""
        return ""

    def wave(self) -> bool:
        """Go on in spite of ``doubt``. Returns whether there was one."""
        return False

    def take_back(self) -> bool:
        """Whether Escape had something to close here."""
        return False

    def fields(self) -> list[Field]:
        """The step's fields, from the top."""
        return list(self.query(Field))

    def show_problem(self, problem: Problem) -> bool:
        """Show what is wrong below its field and go there. False when no field is to blame."""
        for field in self.fields():
            if field.key == problem.key:
                field.show_note(sentence(problem), "wrong")
                field.enter()
                return True
        return False

    def note(self, field: Field) -> tuple[str, str]:
        """What is worth knowing about a field that is in order: a sentence, and its level."""
        return "", ""

    def show_notes(self) -> None:
        """Bring every field's note up to date, but leave the one being typed in alone while it is wrong."""
        wrong = {problem.key: problem for problem in reversed(self.state.problems(self.NUMBER))}
        for field in self.fields():
            problem = wrong.get(field.key)
            if problem is None:
                text, level = self.note(field)
                field.show_note(text, level)  # type: ignore[arg-type]
            elif not field.has_focus_within and field.text:
                field.show_note(sentence(problem), "wrong")

    def on_field_changed(self, event: Field.Changed) -> None:
        event.stop()
        self.take(event.field, event.text)
        self.post_message(self.Changed())

    def on_field_submitted(self, event: Field.Submitted) -> None:
        event.stop()
        self.post_message(self.Next())

    def on_step_pane_asked(self, event: Asked) -> None:
        event.stop()
        self.post_message(self.Next())

    def take(self, field: Field, text: str) -> None:
        """Put what was typed into the recipe."""
        meant = pasted.bare_path(text) if field.key in pasted.KEYS else text
        self.state.type(field.key, meant, field.kind)

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        self.call_after_refresh(self.show_notes)

    def help_for(self, focused: Widget | None) -> str:
        """Help on the focused field, or on the step."""
        widget: Widget | None = focused
        while widget is not None and widget is not self:
            if widget.id in self.HELP_TEXTS:
                return self.HELP_TEXTS[widget.id]
            widget = widget.parent if isinstance(widget.parent, Widget) else None
        return self.HELP_TEXTS.get("", self.QUESTION)
