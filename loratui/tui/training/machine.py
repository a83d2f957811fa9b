"""Asks whether this rented machine is to be stopped once the run is over."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.screen import ModalScreen

from loratui.problems import UserError
from loratui.runs.rental.machine_wish import MachineSettings, When
from loratui.runs.rental.rented import Rented
from loratui.runs.store import Run
from loratui.tui import text
from loratui.tui.widgets.keybar import KeyBar
from loratui.tui.widgets.line import Line

_WAYS: tuple[tuple[str, When, str], ...] = (
    ("n", "never", "never: it stays on"),
    ("f", "finished", "after the run has finished"),
    ("e", "ended", "after the run has ended, also failed or lost"),
)


class MachineScreen(ModalScreen[When]):
    """What is chosen; nothing when the person goes back."""

    BINDINGS = [
        *(
            Binding(key, f"choose('{when}')", when, id=f"machine.{when}", tooltip=f"Stop {words}")
            for key, when, words in _WAYS
        ),
        Binding("escape,q,enter", "choose('')", "back", id="machine.back", tooltip="Change nothing"),
    ]

    def __init__(self, now: When, settings: MachineSettings, here: Rented | None) -> None:
        super().__init__()
        self._now, self._settings, self._here = now, settings, here

    def compose(self) -> ComposeResult:
        ways = [
            f"{key}       {words}{'   (as it is now)' if when == self._now else ''}"
            for key, when, words in _WAYS
        ]
        yield Line("Stop this machine once the run is over?", classes="question")
        yield Line("\n".join(ways), classes="facts")
        yield Line(explain(self._settings, self._here), classes="facts")
        yield KeyBar(("f", "finished"), ("e", "ended"), ("n", "never"), ("esc", "back"))

    def action_choose(self, when: When | str) -> None:
        self.dismiss(when or None)  # type: ignore[arg-type]


def explain(settings: MachineSettings, here: Rented | None) -> str:
    """What happens then, and what it still costs."""
    if here is None:
        return (
            "This is neither a RunPod pod nor a vast.ai instance, so nothing will happen here:\n"
            "it cannot be stopped from inside."
        )
    if settings.upload:
        first = f"The LoRA is sent to {text.clip(text.plain(settings.upload), 60)} first, and checked there."
    elif settings.without_upload:
        first = "The LoRA need not be sent anywhere first, if its disk outlives the stop."
    else:
        first = (
            "Only if the LoRA is on the hub by then, checked (loratui lora upload; or let\n"
            "loratui send it: loratui machine --help)."
        )
    return (
        f"{first}\nThen {settings.minutes:g} minutes pass, in which any key keeps it on. It is stopped, never"
        f" terminated.\n{here.kept}"
    )


def ask(app: App[None], run: Run) -> None:
    """Ask, and note the answer with the run."""
    from loratui.runs import notify
    from loratui.runs.rental import machine_stop, machine_wish, rented
    from loratui.tui.training.asking import sorry

    def answered(when: When | None) -> None:
        if when:
            try:
                machine_stop.wish(run, when)
            except UserError as error:
                sorry(app, error)

    try:
        settings = notify.read_settings().machine
    except UserError as error:
        sorry(app, error)
        return
    now = machine_wish.wished(run, settings)
    app.push_screen(MachineScreen(now, settings, rented.this()), answered)
