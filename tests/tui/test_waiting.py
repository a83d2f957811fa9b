"""Runs that wait, in the list of runs."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from loratui import demo
from loratui.runs import queue, store
from loratui.tui.app import LoratuiApp


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
def test_a_waiting_run_is_moved_and_held_by_keys(
    home: Any, drive: Any, screen_text: Any, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    monkeypatch.setattr(queue, "wake", lambda: None)
    first, second = (store.create(demo.recipe(), "builtin", 9, state="queued") for _ in range(2))
    queue._change(lambda now: queue.Queue(order=(first.id, second.id)))

    async def act(pilot: Pilot[None]) -> list[str]:
        seen = []
        for key in ("", "K", "H", "H", "J"):
            if key:
                await pilot.press(key)
            await pilot.pause()
            seen.append(str(screen_text(pilot.app)))
        return seen

    start, sooner, held, released, later = drive(LoratuiApp(), act, size)
    assert "QUEUED" in start and "as number 2 of 2" in start  # the newest run stands first in the list
    assert "as number 1 of 2" in sooner
    assert "Held: it is passed over" in held
    assert "Held" not in released
    assert "as number 2 of 2" in later
    assert queue.read() == queue.Queue(order=(first.id, second.id))
