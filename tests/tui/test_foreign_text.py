# ruff: noqa: E501 - the pieces stand in few lines
"""Text from outside, at its worst, in every place that shows it: no control byte, no markup, no crash."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.content import Content
from textual.pilot import Pilot

from loratui import demo
from loratui.cli import output
from loratui.cli.follow import hint_line, step_line
from loratui.events import (
    AnyEvent,
    Checkpoint,
    Hint,
    Message,
    Phase,
    Record,
    Sample,
    StateChanged,
    StateSaved,
    Step,
)
from loratui.recipe import change
from loratui.runs import notes, store
from loratui.runs.cleaning import Lines
from loratui.runs.queueing.queue_file import Queue
from loratui.runs.reporting import report
from loratui.runs.view import RunFold, RunView
from loratui.tui.app import LoratuiApp
from loratui.tui.runs import rows
from loratui.tui.training import about, ending, hint_table, words

PIECES = (
    "\x1b[31m", "\x1b]0;title\x07", "\x1b]8;;file:///etc/passwd\x1b\\", "\x9b2J", "\x1b", "\x00", "\x07", "\x08", "\r", "\n", "\x7f",
    "\u202e", "\u2066", "\u200f", "\ud800", "\u2028", "\u0301", "\t", "日本", "🙂", "[bold red]", "[/]", "[link='x']", "[@click=app.quit]x",
    "<script>alert(1)</script>", "<img src=x onerror=y>", "]]>", "&lt;", "\"'`", "$(reboot)", "%s{0}", "@loratui {", "a" * 300, " ", "loss=nan",
)  # fmt: skip
FOREIGN = st.lists(st.sampled_from(PIECES) | st.text(max_size=8), max_size=6).map("".join)
WORST = "".join(PIECES)
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What a terminal would obey; line breaks and tabs are for the caller to judge."""


def happened(text: str) -> list[AnyEvent]:
    """Events with a text wherever one fits."""
    return [
        StateChanged("running", text),
        Phase("caching", text, 1, 2),
        Step(1, 0.5, rates={text: 1e-4}),
        Message("warning", text),
        Message("error", text, key="no_effect"),
        Checkpoint(text, 1),
        StateSaved(text, 1),
        Sample(text, 1, text),
        Hint("oom_cuda", "fatal", text),
        Hint(text, "fatal", text),
        StateChanged("failed", text),
    ]


def view_of(text: str) -> RunView:
    fold = RunFold()
    fold.feed(
        Record(number, 1.7e9 + number, float(number), event) for number, event in enumerate(happened(text))
    )
    return fold.view()


def sound(shown: Content | str, lines: bool = True) -> None:
    """Nothing in it that a terminal obeys, and no style but our own."""
    text = shown.plain if isinstance(shown, Content) else shown
    assert not _OBEYED.search(text if lines else text.replace("\n", "\x00")), repr(text)
    if isinstance(shown, Content):
        assert not any("link" in str(span.style) or "@click" in str(span.style) for span in shown.spans)


class Page(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.acts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.acts += [
            name for name, value in attrs if name.startswith("on") or (value or "").startswith("javascript")
        ]


@settings(max_examples=60, deadline=None)
@given(FOREIGN)
def test_words_of_the_panel_and_the_command_line(text: str) -> None:
    view = view_of(text)
    everywhere: tuple[Content | str, ...] = (
        words.head(view, 80),
        words.tiny(view),
        words.details(view),
        words.phase(view),
        ending.verdict(view),
        ending.notice(view, Path("/runs/x"), "", text, True),
        hint_table.table(view, 100, 5),
        hint_table.page(view, 100),
        *words.news(RunView(), view),
        *words.ready_rows(view),
    )
    for shown in everywhere:
        sound(shown)
    for line in (text, step_line(view), *map(hint_line, view.hints)):
        sound(output.plain(line))
    for line in Lines().feed(text.encode("utf-8", "surrogatepass") + b"\n"):
        sound(line, lines=False)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FOREIGN)
def test_a_report_runs_nothing(home: Path, text: str) -> None:
    recipe = change(demo.recipe(), {"dataset.trigger": text.replace("\ud800", "")})
    run = store.create(recipe, "builtin", 2)
    notes.write_notes(run, text.replace("\ud800", ""))
    page = Page()
    written = report.page(run, view_of(text))
    page.feed(written)
    assert page.acts == [] and "script" not in page.tags
    assert set(page.tags) <= {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "table", "tr", "td", "th", "pre", "ul", "li", "figure", "figcaption", "img", "svg", "g", "path", "polyline", "line", "rect", "text", "circle", "b", "details", "summary", "div", "span", "code", "main", "section", "thead", "tbody"}  # fmt: skip
    sound(written)


def test_a_whole_run_of_it(
    make_run: Any, drive: Any, screen_text: Any, call: Callable[..., tuple[int, Any, str]]
) -> None:
    """Shown by the screens, and told by the commands."""
    safe = WORST.replace("\ud800", "").replace("\x00", "")
    recipe = change(demo.recipe(), {"dataset.trigger": safe, "samples.prompts": (safe,)})
    run = make_run(*happened(safe), recipe=recipe)
    run.output.write_bytes((WORST * 3).encode("utf-8", "surrogatepass") + b"\n")
    seen: list[str] = []

    async def act(pilot: Pilot[None]) -> None:
        await pilot.app.workers.wait_for_complete()
        for key in ("", "l", "l", "h", "escape", "p", "escape", "i", "escape", "n", "escape", "escape"):
            if key:
                await pilot.press(key)
            await pilot.pause()
            seen.append(screen_text(pilot.app))

    drive(LoratuiApp(run_id=run.id), act, (100, 30))
    for screen in seen:
        sound(screen)
    assert any("[bold red]" in screen for screen in seen)
    sound(about.paths(run, view_of(safe))[0])
    for row in rows.row(store.summary(run), 100, Queue()):
        sound(row[0], lines=False)
    for command in (("runs",), ("status",), ("logs",), ("attach", run.id)):
        try:
            code, told, narrated = call(*command)
        except SystemExit:
            continue
        assert code in (0, 1)
        sound(told)
        sound(narrated)
