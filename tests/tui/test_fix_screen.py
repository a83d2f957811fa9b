"""``f`` on the panel: what would change, and what happens on enter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui import demo
from loratui.events import Hint, StateChanged
from loratui.problems import Problem
from loratui.recipe import Recipe, change
from loratui.runs import store
from loratui.runs.hints import fixing
from loratui.runs.hints import states as hint_states
from loratui.tui.app import LoratuiApp
from loratui.tui.training.fix import FixScreen
from loratui.tui.training.install import InstallScreen

OOM = Hint("oom_cuda", "fatal", "torch.OutOfMemoryError: CUDA out of memory. [/]Tried")


@pytest.fixture
def broken(make_run: Any, training: Any, demo_recipe: Recipe) -> store.Run:
    recipe = change(
        demo_recipe, {"steps.batch_size": 4, "training.resolution": (512, 512), "training.bucket_max": 1024}
    )
    happened = [*training(9), OOM, StateChanged("failed", "The trainer failed.")]
    return make_run(*happened, recipe=recipe)  # type: ignore[no-any-return]


@pytest.mark.parametrize("size", [(80, 24), (100, 30)])
def test_f_shows_the_difference_and_esc_changes_nothing(
    broken: store.Run, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("f")
        await pilot.pause()
        text = str(screen_text(pilot.app))
        await pilot.press("escape")
        assert not isinstance(pilot.app.screen, FixScreen)
        return text

    text = drive(LoratuiApp(run_id=broken.id), act, size)
    assert "steps.batch_size" in text and "4 → 2" in text
    assert "steps.accumulation" in text and "1 → 2" in text
    assert "starts from the beginning, as a new run: no state was saved" in text
    assert "enter start again with this" in text
    assert "[/]Tried" in text
    assert hint_states.decisions(broken) == {}


def test_enter_starts_it_with_the_fix(
    broken: store.Run, drive: Any, monkeypatch: pytest.MonkeyPatch, make_run: Any, training: Any
) -> None:
    other = make_run(*training(1))
    asked: list[Any] = []

    def apply(run: store.Run, fix: Any, engine: Any) -> store.Run:
        asked.append((run.id, fix.recipe.steps.batch_size, engine.name))
        return other  # type: ignore[no-any-return]

    monkeypatch.setattr(fixing, "apply", apply)

    async def act(pilot: Pilot[None]) -> Any:
        await pilot.press("f", "enter")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        return pilot.app.screen.run_shown.id  # type: ignore[attr-defined]

    assert drive(LoratuiApp(run_id=broken.id), act) == other.id
    assert asked == [(broken.id, 2, "builtin")]


def test_a_refusal_is_a_sentence(
    broken: store.Run, drive: Any, screen_text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loratui.engines.builtin import BuiltinEngine

    monkeypatch.setattr(
        BuiltinEngine, "supports", lambda self, recipe: [Problem("base.model", "it is gone.")]
    )

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("f", "enter")
        await pilot.app.workers.wait_for_complete()
        await pilot.pause()
        return str(screen_text(pilot.app))

    assert "base.model: it is gone." in drive(LoratuiApp(run_id=broken.id), act)


def test_x_dismisses_and_the_table_says_so(broken: store.Run, drive: Any, screen_text: Any) -> None:
    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("f", "x")
        await pilot.press("h")
        await pilot.pause()
        return str(screen_text(pilot.app))

    assert "dismissed" in drive(LoratuiApp(run_id=broken.id), act)


def test_a_package_is_installed_only_on_its_key(
    make_run: Any,
    training: Any,
    drive: Any,
    screen_text: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pip of the environment that trains: here a script that says what it was asked for."""
    python = tmp_path / "venv/bin/python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "asked: $*"\n')
    python.chmod(0o755)
    monkeypatch.setenv("LORATUI_KOHYA", str(tmp_path))
    recipe = change(demo.recipe(), {"launch.engine": "kohya", "optimizer.name": "Prodigy"})
    line = "ImportError: No Prodigy / Prodigy がインストールされていないようです"
    run = make_run(*training(1), Hint("mod_prodigy", "fatal", line), StateChanged("failed"), recipe=recipe)

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        await pilot.press("f")
        await pilot.pause()
        offered = str(screen_text(pilot.app))
        assert not (run.folder / "install.log").exists()
        await pilot.press("i")
        assert isinstance(pilot.app.screen, InstallScreen)
        await pilot.app.workers.wait_for_complete()
        pilot.app.screen._write()
        await pilot.pause()
        return offered, str(screen_text(pilot.app))

    offered, installed = drive(LoratuiApp(run_id=run.id), act, (140, 45))
    assert f"{python} -m pip install prodigyopt" in offered
    assert "asked: -m pip install prodigyopt" in installed
    assert "Installed." in installed and "enter start the run again" in installed
