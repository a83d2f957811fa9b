"""Asks before a run goes: what goes with it, how much room that makes, what stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content as Text
from textual.screen import ModalScreen

from loratui.problems import UserError
from loratui.runs import deleting
from loratui.runs.store import Run, RunSummary
from loratui.tui import text
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

Answer = Literal["all", "keep"]


def delete(app: App[None], chosen: RunSummary, said: Callable[[str], None]) -> None:
    """Ask, then delete a run that is over or take a waiting one out of the queue; ``said`` is told."""
    run = Run(chosen.id, Path(chosen.folder))
    name = text.plain(chosen.name)
    if chosen.state == "queued":
        screen = DeleteScreen(
            f"Take {name} out of the queue?", "Its recipe goes with it. Nothing was trained yet.", False
        )
        app.push_screen(screen, lambda answer: _remove(run, name, answer, said))
        return
    problem = deleting.refusal(run)
    if problem is not None:
        from loratui.tui.help import TextScreen

        app.push_screen(
            TextScreen("It still trains", "A run that trains cannot be deleted. enter, then S, stops it.")
        )
        return
    content = deleting.content(run)
    title = f"Delete {name}: {text.number(content.count, 'file')}, {text.size(content.size)}?"
    app.push_screen(
        DeleteScreen(title, words(run, content), bool(content.final)),
        lambda answer: _delete(run, name, content, answer, said),
    )


def words(run: Run, content: deleting.Content) -> Text:
    """What goes and what stays."""
    parts: list[tuple[str, str]] = [(f"{text.home_path(run.folder)}\n\n", "$text-muted"), ("Goes\n", "bold")]
    parts += [
        (f"  {kind.name:<22} {kind.count:>5}   {text.size(kind.size):>8}\n", "") for kind in content.kinds
    ]
    if content.final:
        parts.append(("\nCan be kept (k)\n", "bold"))
        parts += [
            (f"  {text.plain(path.name)}   {text.size(path.stat().st_size)}\n", "") for path in content.final
        ]
        parts.append((f"  It is moved to {text.home_path(deleting.kept_folder())}\n", "$text-muted"))
    if content.outside:
        parts.append(("\nStays, it lies elsewhere\n", "bold"))
        parts += [(f"  {text.home_path(path)}\n", "") for path in content.outside]
    if content.needed_by:
        parts.append(
            (f"\n! {', '.join(content.needed_by)} waits in the queue and names this folder.\n", "$warning")
        )
    parts.append(("\nThis cannot be undone.", ""))
    return Text.assemble(*parts)


class DeleteScreen(ModalScreen[Answer | None]):
    """Dismissed with what to delete; with None nothing is. Enter alone deletes nothing."""

    BINDINGS = [
        Binding("y", "close('all')", "delete", id="delete.all", tooltip="Delete everything named"),
        Binding(
            "k", "close('keep')", "keep the LoRA", id="delete.keep", tooltip="Keep the LoRA, delete the rest"
        ),
        Binding("escape,q,n,enter", "close", "back", id="delete.back", tooltip="Delete nothing"),
    ]

    def __init__(self, title: str, body: str | Text, can_keep: bool) -> None:
        super().__init__()
        self._title = title
        self._body = body
        self._can_keep = can_keep

    def compose(self) -> ComposeResult:
        yield Line(self._title, classes="question")
        with VerticalScroll(id="text"):
            yield Line(self._body, id="text-body")
        keep = [("k", "keep the LoRA, delete the rest")] if self._can_keep else []
        yield KeyBar(("esc", "back"), ("y", "delete all of it" if keep else "do it"), *keep)

    def action_close(self, answer: Answer | None = None) -> None:
        if answer != "keep" or self._can_keep:
            self.dismiss(answer)


def _remove(run: Run, name: str, answer: Answer | None, said: Callable[[str], None]) -> None:
    if answer is None:
        return
    from loratui.runs.queueing import queue

    try:
        queue.remove(run)
        said(f"{name} is out of the queue.")
    except UserError as error:
        said(text.plain(str(error)))


def _delete(
    run: Run, name: str, content: deleting.Content, answer: Answer | None, said: Callable[[str], None]
) -> None:
    if answer is None:
        return
    try:
        kept = deleting.delete(run, content.final if answer == "keep" else ())
    except UserError as error:
        said(text.plain(str(error)))
        return
    where = f" Kept: {', '.join(map(text.home_path, kept))}" if kept else ""
    freed = content.size - sum(path.stat().st_size for path in kept)
    said(f"{name} is deleted; {text.size(freed)} are free.{where}")
