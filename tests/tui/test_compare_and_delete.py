"""Two runs beside each other, and a run deleted, by keys in the list of runs."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image
from textual.pilot import Pilot

from loratui import demo
from loratui.events import Checkpoint, Sample, StateChanged
from loratui.recipe import change
from loratui.runs import deleting, store
from loratui.runs.losses import LossHistory
from loratui.runs.reporting.comparison import PairWatch
from loratui.tui.app import LoratuiApp
from loratui.tui.compare.screen import CompareScreen
from loratui.tui.widgets import pair_grid
from tests.support.still import settle

SIZES = [(80, 24), (100, 30), (140, 45)]
FINAL = Checkpoint("checkpoints/demo.safetensors", 200, 10, final=True)


@pytest.mark.parametrize("size", SIZES)
def test_two_runs_are_compared_by_keys(
    make_run: Any, training: Any, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    other = change(demo.recipe(), {"output.name": "second", "network.rank": 4, "network.alpha": 2.0})
    one = make_run(*training(200), Sample("samples/a.png", 100, "a cat"), StateChanged("finished"))
    two = make_run(*training(90), Sample("samples/b.png", 80, "a cat"), StateChanged("failed"), recipe=other)
    Image.new("RGB", (8, 8), (250, 0, 0)).save(one.samples / "a.png")
    Image.new("RGB", (8, 8), (0, 0, 250)).save(two.samples / "b.png")

    async def act(pilot: Pilot[None]) -> list[str]:
        seen = []
        for keys in (["c"], ["down", "c"], ["w"], ["i"], ["enter"], ["escape", "g"], ["escape", "escape"]):
            await pilot.press(*keys)
            await settle(pilot)
            seen.append(str(screen_text(pilot.app)))
        return seen

    marked, compared, written, listed, drawn, logarithmic, left = drive(LoratuiApp(), act, size)
    assert "*x FAILED" in marked and "Go to another run: c compares the two" in marked
    assert "A ─── second" in compared and "B ─ ─ demo" in compared
    assert "At step 90, where both have been" in compared and "No better, no worse" in compared
    assert next(line.split() for line in compared.split("\n") if "network.rank" in line)[-2:] == ["4", "16"]
    assert "Written:" in written
    page = two.folder / f"compare-{one.id}.html"
    assert "network.rank" in page.read_text() and page.stat().st_mode & 0o77 == 0
    assert "> A step 80     B step 100    a cat" in listed
    assert "A second step 80" in drawn and "B demo step 100" in drawn and "▀" in drawn
    assert "log scale" in logarithmic
    assert "FINISHED" in left and "*" not in left


def test_a_comparison_follows_a_run_that_trains_and_tells_both_values(
    make_run: Any, training: Any, alive: Any, add: Any, drive: Any, screen_text: Any
) -> None:
    happened = training(120)
    one = make_run(*training(200), StateChanged("finished"))
    two = make_run(*happened[:42])
    alive(two)

    async def act(pilot: Pilot[None]) -> list[str]:
        pilot.app.push_screen(CompareScreen(PairWatch(one.id, two.id)))
        await settle(pilot)
        seen = [str(screen_text(pilot.app))]
        add(two, happened[42:], first=43)
        pilot.app.screen._tick()  # type: ignore[attr-defined]
        for keys in ([], ["left"], ["plus", "home"]):
            await pilot.press(*keys)
            await settle(pilot)
            seen.append(str(screen_text(pilot.app)))
        return seen

    before, after, pointed, zoomed = drive(LoratuiApp(), act)
    assert "40/200 steps" in before and "At step 40" in before
    assert "120/200 steps" in after and "At step 120" in after
    assert "step 198   A 0." in pointed and "B has not been there" in pointed and "│" in pointed
    assert "step 1   A 0." in zoomed and "B 0." in zoomed and "zoomed to 1-100" in zoomed


def history(*losses: float) -> LossHistory:
    made = LossHistory()
    for step, loss in enumerate(losses, 1):
        made.add(step, loss)
    return made


@pytest.mark.parametrize("braille", [True, False])
def test_the_two_lines_are_told_apart_without_colour(braille: bool) -> None:
    falling, level = history(*(1 / n for n in range(1, 120))), history(*[0.9] * 120)
    cells = pair_grid.draw(falling, level, 80, 14, braille=braille)
    assert [len(line) for line in cells] == [80] * 14
    shown = {kind: "".join(c for line in cells for c, k in line if k == kind) for kind in (1, 2)}
    if braille:
        assert shown[1].count("A") == 3 and shown[2].count("B") == 3
        upper = "".join(character for character, kind in cells[1] + cells[2] if kind == pair_grid.SECOND)
        full = sum((ord(character) - 0x2800).bit_count() for character in upper if character != "B")
        assert 40 < full < 100  # of 144 dots: dashed
    else:
        assert set(shown[1]) == {"A"} and set(shown[2]) == {"B"}


def test_a_pair_without_losses_says_so() -> None:
    text = "".join(c for line in pair_grid.draw(history(), history(), 60, 8) for c, _ in line)
    assert "neither has a loss yet" in text
    assert pair_grid.draw(history(0.5), history(), 60, 8)


@pytest.mark.parametrize(("key", "kept"), [("y", False), ("k", True), ("enter", None)])
def test_deleting_says_what_goes_and_can_keep_the_lora(
    make_run: Any, training: Any, drive: Any, screen_text: Any, key: str, kept: bool | None
) -> None:
    run = make_run(*training(200), FINAL, StateChanged("finished"))
    (run.folder / FINAL.path).write_bytes(b"x" * 5000)
    (run.checkpoints / "demo-000001-state").mkdir()
    (run.checkpoints / "demo-000001-state" / "optimizer.bin").write_bytes(b"y" * 2_000_000)
    deleting.kept_folder().mkdir(parents=True)
    (deleting.kept_folder() / "demo.safetensors").write_bytes(b"another")

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        await pilot.press("d")
        await settle(pilot)
        asked = str(screen_text(pilot.app))
        await pilot.press(key)
        await settle(pilot)
        return asked, str(screen_text(pilot.app))

    asked, after = drive(LoratuiApp(), act, (80, 24))
    assert "Delete demo: " in asked and "MB?" in asked
    assert "states to resume from" in asked and "2 MB" in asked
    assert "Can be kept (k)" in asked and "This cannot be undone." in asked
    moved = deleting.kept_folder() / "demo-2.safetensors"
    if kept is None:
        assert run.folder.is_dir() and "FINISHED" in after
        return
    assert not run.folder.exists() and "No runs yet" not in after and "demo is deleted" in after
    assert moved.exists() == kept
    assert list(run.folder.parent.iterdir()) == []


def test_a_run_that_trains_is_not_deleted(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    run = make_run(*training(20))
    alive(run)
    make_run(*training(20), StateChanged("stopped"))

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("escape", "d")
        await settle(pilot)
        return str(screen_text(pilot.app))

    assert "cannot be deleted" in drive(LoratuiApp(first=None, run_id=run.id), act)
    assert run.folder.is_dir() and len(store.all_runs()) == 2
