"""Keeps the draft on the disk while a person works, a moment after the last change, and loses nobody's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from loratui.tui.wizard.drafts import draft

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.timer import Timer

    from loratui.runs.store import Run
    from loratui.tui.wizard.answers.state import WizardState

Now = Callable[[], tuple["WizardState", int, int] | None]
"""The state, the step shown and the furthest reached; None while there is nothing to be kept."""

_AFTER = 0.3
"""Seconds of quiet before the draft is written."""


class Keeper:
    """Writes a draft soon, or now. What another terminal has made of it meanwhile is not written over:
    ``ask`` is called instead, until the person has chosen."""

    def __init__(
        self, screen: Screen[Any], now: Now, ask: Callable[[], None], waiting: Run | None, *, is_draft: bool
    ) -> None:
        """``waiting`` is the run in the queue that is changed; ``is_draft`` says whether what is shown came
        from the disk, and another draft need not be laid aside for it."""
        self._screen = screen
        self._now = now
        self._ask = ask
        self._waiting = waiting
        self._is_draft = is_draft or waiting is not None
        self._known = draft.as_it_lies(waiting)
        """What lay there when this terminal last looked or wrote."""
        self._written = self._known if is_draft else None
        """What this terminal wrote, or opened."""
        self._first: bytes | None = None
        """What was written in an earlier draft's place, as long as nobody needs it there."""
        self._is_asked = False
        self._timer: Timer | None = None

    def soon(self) -> None:
        """There was a change; more may follow."""
        self._stop()
        self._timer = self._screen.set_timer(_AFTER, self.now)

    def now(self) -> bool:
        """Write it, or ask. False when the disk does not let us."""
        self._stop()
        found = self._now()
        if found is None:
            return True
        self._is_asked = self.is_changed_elsewhere()
        if self._is_asked:
            self._ask()
            return True
        return self._write(*found)

    def last(self) -> None:
        """The screen goes: write what has not been written yet, beside what somebody else wrote."""
        found = self._now() if self._timer is not None or self._is_asked else None
        self._stop()
        if found is None:
            return
        if self.is_changed_elsewhere():
            if self._waiting is not None:  # it has one place, where somebody else's changes lie
                with contextlib.suppress(OSError):
                    draft.save_as_new(*found)
                return
            self._is_draft = False
        self._write(*found)

    def is_changed_elsewhere(self) -> bool:
        """Whether another terminal has written, started or given up this draft meanwhile."""
        found = self._now()
        lies = draft.as_it_lies(self._waiting)
        return found is not None and lies != self._known and lies != draft.as_bytes(found[0])

    def keep_mine(self) -> None:
        """What is shown here is the draft; what the other terminal wrote is laid aside."""
        self._known = draft.as_it_lies(self._waiting)
        self._is_draft = self._waiting is not None
        self.now()

    def give_way(self) -> None:
        """The other terminal's is the draft; what is shown here is laid aside."""
        found = self._now()
        if found is not None and self._waiting is None:
            with contextlib.suppress(OSError):
                draft.save_aside(*found)
        self.look_again()

    def leave(self) -> Literal["kept", "lost", "ask"]:
        """The person goes: ``ask`` him first where two terminals have changed it; ``lost`` says that the disk
        does not let us write. A copy in which nothing was changed gives an earlier draft its place back."""
        found = self._now()
        if found is None:
            return "kept"
        mine = draft.as_bytes(found[0])
        if self.is_changed_elsewhere():
            return "kept" if mine == self._written else "ask"
        if not self.now():
            return "lost"
        if self._first == mine:
            draft.discard()
        return "kept"

    def is_named(self) -> None:
        """Somebody was told where it lies: it stays there."""
        self._first = None

    def give_up(self) -> None:
        """The draft is not wanted any more."""
        self._stop()
        draft.discard(self._waiting.folder if self._waiting else None)
        self.look_again()

    def give_up_mine(self) -> None:
        """The draft is not wanted any more, where it is still the one that this terminal knows."""
        if not self.is_changed_elsewhere():
            self.give_up()

    def look_again(self) -> None:
        """What lies there now is what is shown."""
        self._known = self._written = draft.as_it_lies(self._waiting)
        self._is_draft, self._is_asked = True, False

    def _write(self, state: WizardState, step: int, reached: int) -> bool:
        if not self._is_draft:
            try:
                self._first = draft.as_bytes(state) if draft.lay_aside() else None
            except OSError:
                return False
            self._is_draft = True
        written = draft.save(state, step, reached, self._waiting.folder if self._waiting else None)
        self._known = self._written = draft.as_it_lies(self._waiting)
        return written

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
