"""Runs and recipes for the screens: real files in a home of their own."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui import demo, events
from loratui.events import AnyEvent, Record
from loratui.recipe import Recipe
from loratui.runs import layout, lock, store
from loratui.tui.app import LoratuiApp
from tests.support.still import waits

Act = Callable[[Pilot[None]], Awaitable[Any]]


@pytest.fixture
def drive() -> Callable[..., Any]:
    """Runs an app at a size and lets ``act`` press its keys."""

    def run(app: LoratuiApp, act: Act, size: tuple[int, int] = (100, 30)) -> Any:
        async def go() -> Any:
            with waits(app):
                async with app.run_test(size=size) as pilot:
                    await pilot.pause()
                    return await act(pilot)

        return asyncio.run(asyncio.wait_for(go(), 30))

    return run


@pytest.fixture
def demo_recipe(home: Path) -> Recipe:
    """The demo's recipe over drawn pictures and a model folder that is one by its headers."""
    demo.make_pictures()
    make_model(demo.folder() / "model")
    return demo.recipe()


def make_model(folder: Path) -> Path:
    """A diffusers folder of the SD 1.x kind, with headers and hardly a weight."""
    header = json.dumps({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}).encode()
    for part in ("unet", "vae", "text_encoder"):
        (folder / part).mkdir(parents=True)
        data = len(header).to_bytes(8, "little") + header + b"\0\0"
        (folder / part / "model.safetensors").write_bytes(data)
    (folder / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    config = {"_class_name": "UNet2DConditionModel", "cross_attention_dim": 768, "in_channels": 4}
    (folder / "unet" / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture
def make_run(home: Path) -> Callable[..., store.Run]:
    """A run folder with these events in it, and a status that agrees with the last state among them."""

    def make(*happened: AnyEvent, recipe: Recipe | None = None) -> store.Run:
        run = store.create(recipe or demo.recipe(), "builtin", 200)
        append(run, happened)
        return run

    return make


@pytest.fixture
def training() -> Callable[..., list[AnyEvent]]:
    """The events of a training that goes well."""
    return steps


@pytest.fixture
def add() -> Callable[..., None]:
    """Appends events to a run."""
    return append


@pytest.fixture
def screen_text() -> Callable[[LoratuiApp], str]:
    """What the terminal shows."""

    def read(app: LoratuiApp) -> str:
        strips = app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)

    return read


@pytest.fixture
def alive() -> Iterator[Callable[[store.Run], None]]:
    """Holds runs' locks, as their supervisors would."""
    held: list[int] = []
    yield lambda run: held.append(lock.hold(run.lock))
    for descriptor in held:
        os.close(descriptor)


def append(run: store.Run, happened: Iterable[AnyEvent], first: int = 1) -> None:
    """Write events as the supervisor would, a quarter of a second apart."""
    status = layout.read_status(run)
    assert status is not None
    with run.events.open("ab") as file:
        for number, event in enumerate(happened, start=first):
            file.write(events.encode(Record(number, 1.7e9 + number / 4, number / 4, event)) + b"\n")
            if isinstance(event, events.StateChanged):
                status = layout.Status(
                    event.state, event.reason, total_steps=status.total_steps, step=status.step
                )
            elif isinstance(event, events.Step):
                status = layout.Status(
                    status.state, step=event.step, loss=event.loss, total_steps=status.total_steps
                )
    layout.write_status(run, status)


def steps(count: int, total: int = 200) -> list[AnyEvent]:
    """A training that goes well: planned, then ``count`` noisy steps of a falling loss."""
    noise = random.Random(7)
    happened: list[AnyEvent] = [
        events.StateChanged("running"),
        events.Planned(total, epochs=10, images=80, batches_per_epoch=20),
    ]
    for step in range(1, count + 1):
        loss = 0.45 + 0.5 * math.exp(-step / 60) + noise.uniform(-0.08, 0.08)
        rates = {"unet": 1e-4}
        happened.append(events.Step(step, loss, epoch=1 + (step - 1) // 20, rates=rates))
    return happened
