"""Keys typed ahead: over a slow link several arrive at once, each meant for what the one before it opened.

Textual hands a key to whatever has the focus when it arrives, and what the key leads to happens later. ``/``
and a word behind it in one packet would be ``/`` and a row of commands.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from textual.events import Key
from textual.message_pump import MessagePump
from textual.widgets import Input, TextArea

if TYPE_CHECKING:
    from textual.app import App

_ROUNDS = 4
"""Ways of a message from the focus up to the app, with a refresh behind each. The longest there is: a key, a
widget it mounts, the refresh that shows it, and the focus that goes there."""
_LONGEST = 1.0
"""Seconds after which a key is no longer waited for, whatever became of it."""
_STAY = {"up", "down", "left", "right", "pageup", "pagedown", "home", "end", "backspace", "delete"}
"""Keys that leave the focus where it is; held down, they come thirty a second."""
_AT_ONCE = {"ctrl+c", "ctrl+q"}


class Ahead:
    """Holds keys back until what the one before them leads to has happened."""

    def __init__(self, app: App[Any], take: Callable[[Key], Awaitable[None]]) -> None:
        """``take`` does what the app does with a key."""
        self._app = app
        self._take = take
        self._held: deque[Key] = deque()
        self._waits_for = 0
        """The number of the key that is waited for; 0 for none."""
        self._number = 0

    @property
    def waits(self) -> bool:
        """Whether a key is still waited for."""
        return bool(self._waits_for)

    async def take(self, key: Key) -> None:
        """A key from the terminal: now, or once it is its turn."""
        if self._waits_for and key.key not in _AT_ONCE:
            self._held.append(key)
            return
        typed = isinstance(self._app.focused, Input | TextArea) and key.is_printable
        await self._take(key)
        if typed or key.key in _STAY or not self._app.is_running:
            return
        self._number += 1
        self._waits_for = self._number
        self._app.set_timer(_LONGEST, lambda number=self._number: self._done(number))
        self._round(self._number, _ROUNDS)

    def _round(self, number: int, left: int) -> None:
        if number != self._waits_for:
            return
        if not left:
            self._done(number)
            return
        focused = self._app.focused
        start: Sequence[MessagePump] = (
            focused.ancestors_with_self if focused else (self._app.screen, self._app)
        )
        self._hop(number, left, start)

    def _hop(self, number: int, left: int, way: Sequence[MessagePump]) -> None:
        """Up to the next one that is still there, behind what waits for it."""
        for at, one in enumerate(way):
            if one.call_later(self._hop, number, left, way[at + 1 :]):
                return
        self._app.screen.call_after_refresh(self._round, number, left - 1)

    def _done(self, number: int) -> None:
        if number == self._waits_for:
            self._waits_for = 0
            self._app.call_later(self._go_on)

    async def _go_on(self) -> None:
        while self._held and not self._waits_for:
            await self.take(self._held.popleft())
