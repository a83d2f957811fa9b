"""What a person does to a text field, in screens under test."""

from __future__ import annotations

from textual import events
from textual.pilot import Pilot

_PASTED_FROM = 12
"""Letters; paths are pasted, and each key that is pressed takes a while."""


async def overwrite(pilot: Pilot[None], text: str) -> None:
    """Put ``text`` in place of what stands in the focused field."""
    await pilot.press("end", "ctrl+u")
    if len(text) < _PASTED_FROM:
        await pilot.press(*text)
        return
    focused = pilot.app.screen.focused
    assert focused is not None
    focused.post_message(events.Paste(text))
    await pilot.pause()
