"""The stop of a rented machine, as the screens show it and call it off."""

from __future__ import annotations

import time
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.events import Checkpoint, StateChanged
from loratui.runs import lock
from loratui.runs.rental import machine_news, machine_wish, rented
from loratui.tui.app import LoratuiApp


def test_it_is_chosen_announced_and_called_off_by_any_key(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rented, "this", lambda: rented.Rented("RunPod", "pod1"))
    run = make_run(*training(20), Checkpoint("checkpoints/demo.safetensors", 20), StateChanged("running"))
    alive(run)
    machine_news.lock_path().parent.mkdir()
    seen: list[str] = []

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("z")
        await pilot.pause()
        seen.append(screen_text(pilot.app))
        await pilot.press("e")
        await pilot.pause()
        held = lock.hold(machine_news.lock_path())
        machine_news.announce(machine_news.Pending(run.id, "RunPod", time.time() + 600))
        pilot.app.screen._show()  # type: ignore[attr-defined]
        await pilot.pause()
        seen.append(screen_text(pilot.app))
        assert held and machine_news.pending() is not None
        await pilot.press("x")
        await pilot.pause()

    drive(LoratuiApp(run_id=run.id), act, (80, 24))
    assert "never: it stays on   (as it is now)" in seen[0]
    assert "Only if the LoRA is on the hub by then" in seen[0] and "Gone: all else on the pod" in seen[0]
    assert machine_wish.wished(run, machine_wish.MachineSettings()) == "ended"
    assert "This machine (RunPod) stops at" in seen[1] and "Any key keeps it on." in seen[1]
    assert machine_news.is_called_off()
