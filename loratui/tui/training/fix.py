"""``f``: what can be done about a run's trouble, shown before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill
from typing import Literal

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen

from loratui.runs.hints import fixing
from loratui.runs.hints.fixes import MEMORY, Fix
from loratui.runs.hints.fixing import Plan
from loratui.runs.hints.states import HintState
from loratui.tui.glyphs import glyphs
from loratui.tui.text import plain
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

Act = Literal["apply", "install", "dismiss"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One hint with what can be done about it."""

    fix: Fix
    plan: Plan
    state: HintState


@dataclass(frozen=True, slots=True)
class Choice:
    """What the person wants done."""

    act: Act
    fix: Fix


class FixScreen(ModalScreen[Choice | None]):
    """Dismissed with what to do, or with None."""

    BINDINGS = [
        Binding("enter", "choose('apply')", "start again", id="fix.apply", tooltip="Start again with it"),
        Binding("i", "choose('install')", "install", id="fix.install", tooltip="Run the pip command shown"),
        Binding("x", "choose('dismiss')", "dismiss", id="fix.dismiss", tooltip="Nothing to be done: dismiss"),
        Binding("n", "next", "next", id="fix.next", tooltip="The next trouble, where there are several"),
        Binding("escape,q,f", "close", "back", id="fix.close", tooltip="Change nothing"),
    ]

    def __init__(self, offers: list[Offer], *, runs_on: bool) -> None:
        """``runs_on`` says that the run has not ended yet."""
        super().__init__()
        self._offers = offers
        self._runs_on = runs_on
        self._at = 0

    def compose(self) -> ComposeResult:
        yield Line(id="fix-title", classes="question")
        with VerticalScroll(id="text"):
            yield Line(id="text-body")
        yield KeyBar()

    def on_mount(self) -> None:
        self._show()

    def on_resize(self) -> None:
        self._show()

    @property
    def offer(self) -> Offer:
        """What is shown now."""
        return self._offers[self._at]

    def _show(self) -> None:
        offer, count = self.offer, len(self._offers)
        several = f"   {self._at + 1} of {count}" if count > 1 else ""
        self.query_one("#fix-title", Line).show(f"{offer.fix.rule.title}{several}")
        self.query_one("#text-body", Line).show(body(offer, max(40, self.size.width - 4), self._runs_on))
        keys = [("enter", "start again with this")] if offer.fix.changes else []
        keys += [("i", "install")] if offer.fix.install is not None else []
        keys += [("n", "next")] if count > 1 else []
        self.query_one(KeyBar).show([*keys, ("x", "dismiss"), ("esc", "back")])

    def action_next(self) -> None:
        self._at = (self._at + 1) % len(self._offers)
        self._show()

    def action_choose(self, act: Act) -> None:
        fix = self.offer.fix
        if (act == "apply" and not fix.changes) or (act == "install" and fix.install is None):
            return
        self.dismiss(Choice(act, fix))

    def action_close(self) -> None:
        self.dismiss(None)


def body(offer: Offer, width: int, runs_on: bool) -> Content:
    """A fix in words: the cause, the recipe's difference, the price, the start."""
    fix = offer.fix
    parts: list[tuple[str, str]] = []
    if offer.state != "new":
        parts.append((f"{offer.state} already\n", "$warning"))
    parts.append((fill(fix.rule.cause, width) + "\n", ""))
    if fix.hint.line:
        parts.append((fill(f"seen: {plain(fix.hint.line)}", width) + "\n", "$text-muted"))
    if fix.changes:
        parts.append(("\nThe recipe\n", "bold"))
        longest = max(len(key) for key, _, _ in fix.changes)
        for key, old, new in fix.changes:
            parts.append((f"  {key:<{longest}}  {plain(fixing.word(old))} {glyphs().becomes} ", ""))
            parts.append((f"{plain(fixing.word(new))}\n", "bold $success"))
    parts += [
        (fill(reason, width, initial_indent="  ", subsequent_indent="  ") + "\n", "$text-muted")
        for reason in fix.reasons
    ]
    if fix.refusal:
        parts.append((f"\n{fill(plain(fix.refusal), width)}\n", "$warning"))
    if fix.install is not None:
        parts.append((f"\n{'Or install' if fix.changes else 'Install'} (i)\n", "bold"))
        parts.append((f"  {plain(str(fix.install))}\n", ""))
    if not fix.can_do:
        if not (fix.refusal and fix.rule.key in MEMORY):
            parts.append(("\nThis is yours to do\n" if not fix.refusal else "\nElse\n", "bold"))
            parts.append((f"{fill(fix.rule.fix, width)}\n", ""))
        parts.append(("\nesc, then r, resumes it or opens its recipe again.\n", "$text-muted"))
    else:
        end = "The run that goes on is ended first. " if runs_on else ""
        parts.append((f"\n{fill(end + offer.plan.words, width)}\n", ""))
    return Content.assemble(*parts)
