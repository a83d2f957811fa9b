"""Waiting for screens under test: until nothing is under way, never for a time."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

from textual.app import App
from textual.pilot import Pilot
from textual.worker import WorkerCancelled

from loratui.tui.app import LoratuiApp

_ROUNDS = 1000
"""A screen that paints itself for ever is no reason to wait for ever."""


async def still(app: App[Any]) -> None:
    """Until every message has been handled, and what it changed is painted. Threads and timers go on."""
    loop = asyncio.get_running_loop()
    for _ in range(_ROUNDS):
        await asyncio.sleep(0)
        if loop._ready:  # type: ignore[attr-defined]
            continue
        screen = app.screen if app._screen_stack else None
        if screen is None or not screen.is_current:
            return
        unpainted = (
            screen._layout_required
            or screen._scroll_required
            or screen._repaint_required
            or screen._recompose_required
            or screen._dirty_widgets
            or screen._callbacks
        )
        held = isinstance(app, LoratuiApp) and app.keys_ahead.waits and not app._exit
        if unpainted:
            screen._on_timer_update()
        elif held:  # a screen came between: its timer ends that
            await asyncio.sleep(0.01)
        else:
            return


async def settle(pilot: Pilot[None]) -> None:
    """Until everything looked up beside the screen has been shown too."""
    while True:
        await still(pilot.app)
        under_way = [worker for worker in pilot.app.workers if not worker.is_finished]
        if not under_way:
            return
        with contextlib.suppress(WorkerCancelled):  # an older question may be dropped for a newer one
            await pilot.app.workers.wait_for_complete(under_way)


async def until(pilot: Pilot[None], seen: Callable[[], object]) -> None:
    """Until something is so; the test's own limit ends it where it never is."""
    while not seen():
        await pilot.pause(0.01)


@contextlib.contextmanager
def waits(app: App[Any]) -> Iterator[None]:
    """Each key and pause of a pilot waits until ``app`` is ``still``, in place of Textual's guess
    by the clock (20 ms, twice a key, and longer while other threads work)."""

    async def wait(*_: float) -> None:
        await still(app)

    with (
        mock.patch("textual.app.wait_for_idle", wait),
        mock.patch("textual.pilot.wait_for_idle", wait),
    ):
        yield
