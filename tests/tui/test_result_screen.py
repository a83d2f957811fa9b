"""The result screen says of real LoRA files what they are, and reads them beside the screen."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from loratui.events import Checkpoint, Hint, StateChanged
from loratui.runs import store
from loratui.runs.hardware.ssh import SshAddress
from loratui.runs.view import RunView
from loratui.tui.app import LoratuiApp
from loratui.tui.result import carry
from loratui.tui.result.files import saved_files
from loratui.tui.result.screen import ResultScreen
from loratui.tui.runs.screen import RunsScreen
from loratui.tui.training.log_pane import LogPane
from loratui.tui.training.screen import TrainingScreen
from loratui.tui.widgets.line import Line
from loratui.tui.widgets.rows import RowList
from tests.support.loras import SD15, kohya, write_arrays

SIZES = [(80, 24), (100, 30), (120, 40)]
FINAL = Checkpoint("checkpoints/demo.safetensors", 200, 10, final=True)
HALF = Checkpoint("checkpoints/demo-000005.safetensors", 100, 5)
DONE = (HALF, FINAL, StateChanged("finished"))


@pytest.fixture
def finished(make_run: Any, training: Any) -> Callable[..., store.Run]:
    """A finished run with a final file and a checkpoint."""

    def make(final: dict[str, Any] | None = None, metadata: dict[str, str] | None = None) -> store.Run:
        run: store.Run = make_run(*training(200), *DONE)
        write_arrays(run.folder / FINAL.path, kohya(SD15) if final is None else final, metadata)
        write_arrays(run.folder / HALF.path, kohya(SD15, rank=4, alpha=2))
        return run

    return make


async def read(pilot: Pilot[None]) -> ResultScreen:
    """Until every file has been read and shown."""
    await pilot.pause()
    screen = pilot.app.screen
    assert isinstance(screen, ResultScreen)
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    return screen


def page(screen: ResultScreen) -> str:
    return screen.query_one("#result-body", Line).text


@pytest.mark.parametrize("size", SIZES)
def test_v_shows_what_the_final_file_is_and_the_checkpoints_beside_it(
    finished: Any, drive: Any, screen_text: Any, size: tuple[int, int]
) -> None:
    run = finished()

    async def act(pilot: Pilot[None]) -> tuple[str, str, tuple[str, ...], str]:
        before = str(screen_text(pilot.app))
        await pilot.press("v")
        screen = await read(pilot)
        rows = screen.query_one(RowList).rows
        first = page(screen)
        shown = str(screen_text(pilot.app))
        await pilot.press("down")
        await pilot.pause()
        return before + shown, first, rows, page(screen)

    shown, first, rows, second = drive(LoratuiApp(run_id=run.id), act, size)
    assert "v result" in shown
    assert "esc runs" in shown
    assert "Fine: it changes the weights by" in shown
    assert shown.rstrip().rpartition("\n")[2].startswith(" up/down file")
    assert "esc back" in shown
    assert [row.split()[0] for row in rows] == ["200", "100"]
    assert all("fine" in row for row in rows)
    assert rows[0].rstrip().endswith("demo  final")
    assert "Stable Diffusion 1" in first
    assert "ohwx" in first
    assert "unet mid" in first
    assert f"{run.folder / FINAL.path}" in first
    assert f"loratui lora try --run {run.id} -o sheet.png" in first
    assert "loratui lora merge MODEL.safetensors demo.safetensors -o demo-merged.safetensors" in first
    assert "Rank     4, alpha 2" in second


def test_hashes_are_those_of_the_file(finished: Any, drive: Any) -> None:
    import hashlib

    run = finished()
    digest = hashlib.sha256((run.folder / FINAL.path).read_bytes()).hexdigest()

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("v")
        return page(await read(pilot))

    text = drive(LoratuiApp(run_id=run.id), act)
    assert digest in text
    assert f"{digest[:10]} (AutoV2)" in text


def _zero(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: array * 0 if "lora_up" in name else array for name, array in arrays.items()}


def _loud(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: array * 1000 if "lora_up" in name else array for name, array in arrays.items()}


def _nan(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: array * math.nan if "lora_up" in name else array for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("change", "row", "sentence"),
    [
        (_zero, "does nothing", "its strength is 0"),
        (_loud, "burnt?", "burnt: it changes the weights by"),
        (_nan, "has faults", "NaN or infinite numbers"),
    ],
)
def test_a_bad_file_is_told_by_its_word_and_number(
    finished: Any, drive: Any, change: Any, row: str, sentence: str
) -> None:
    run = finished(change(kohya(SD15)))

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        await pilot.press("v")
        screen = await read(pilot)
        return screen.query_one(RowList).rows[0], page(screen)

    shown, text = drive(LoratuiApp(run_id=run.id), act)
    assert row in shown
    assert sentence in text
    assert text.count(sentence) == 1


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 64, b"\x02\0\0\0\0\0\0\0{}"])
def test_a_file_that_is_gone_or_damaged_gets_a_sentence(
    finished: Any, drive: Any, content: bytes | None
) -> None:
    run = finished()
    path = run.folder / FINAL.path
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    async def act(pilot: Pilot[None]) -> tuple[tuple[str, ...], str]:
        await pilot.press("v")
        screen = await read(pilot)
        return screen.query_one(RowList).rows, page(screen)

    rows, text = drive(LoratuiApp(run_id=run.id), act)
    assert ("not there" if content is None else "unusable") in rows[0]
    assert "fine" in rows[1]
    assert len(text.split("\n")[0]) > 10


def test_hostile_metadata_is_text(finished: Any, drive: Any, screen_text: Any) -> None:
    bad = "[bold]loud[/bold] \x1b[31mred\x1b[0m\x1b]0;title\x07 \u202e end"
    metadata = {"ss_training_comment": bad, "modelspec.title": bad, "ss_[red]x": bad, "sshs_model_hash": bad}
    run = finished(metadata=metadata)

    async def act(pilot: Pilot[None]) -> tuple[str, str]:
        await pilot.press("v")
        screen = await read(pilot)
        for _ in range(6):
            await pilot.press("pagedown")
        await pilot.pause()
        return page(screen), str(screen_text(pilot.app))

    text, shown = drive(LoratuiApp(run_id=run.id), act)
    assert "[bold]loud[/bold] red" in text
    assert "ss_[red]x" in text
    assert "What its metadata gives away" in text
    assert "--strip demo-stripped.safetensors" in shown
    for piece in ("\x1b", "\u202e", "title\x07"):
        assert piece not in text
        assert piece not in shown


def test_nothing_is_painted_once_all_is_known(
    finished: Any, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished()

    async def act(pilot: Pilot[None]) -> int:
        await pilot.press("v")
        screen = await read(pilot)
        await asyncio.sleep(0.3)
        painted: list[object] = []
        display = LoratuiApp._display

        def count(app: LoratuiApp, screen: Any, update: Any) -> None:
            painted.append(update)
            display(app, screen, update)

        monkeypatch.setattr(LoratuiApp, "_display", count)
        screen._show()
        await asyncio.sleep(1.2)
        return sum(update is not None for update in painted)

    assert drive(LoratuiApp(run_id=run.id), act) == 0


def test_the_list_of_runs_opens_it_and_esc_goes_back(finished: Any, drive: Any) -> None:
    finished()

    async def act(pilot: Pilot[None]) -> list[type]:
        seen: list[type] = [type(pilot.app.screen)]
        await pilot.press("v")
        seen.append(type(await read(pilot)))
        await pilot.press("escape")
        await pilot.pause()
        return [*seen, type(pilot.app.screen)]

    assert drive(LoratuiApp(), act) == [RunsScreen, ResultScreen, RunsScreen]


def test_esc_goes_back_to_the_panel(finished: Any, drive: Any) -> None:
    run = finished()

    async def act(pilot: Pilot[None]) -> object:
        await pilot.press("v")
        await read(pilot)
        await pilot.press("escape")
        await pilot.pause()
        return pilot.app.screen

    assert isinstance(drive(LoratuiApp(run_id=run.id), act), TrainingScreen)


def test_what_a_running_run_has_saved_can_be_looked_at(
    make_run: Any, training: Any, alive: Any, drive: Any, screen_text: Any
) -> None:
    running = make_run(*training(30), HALF)
    alive(running)

    async def act(pilot: Pilot[None]) -> tuple[str, object]:
        bar = str(screen_text(pilot.app))
        await pilot.press("v")
        await pilot.pause()
        return bar, pilot.app.screen

    bar, screen = drive(LoratuiApp(run_id=running.id), act)
    assert "v files" in bar
    assert isinstance(screen, ResultScreen)


def test_a_run_that_saved_nothing_has_no_result(
    make_run: Any, training: Any, drive: Any, screen_text: Any
) -> None:
    async def act(pilot: Pilot[None]) -> tuple[object, str]:
        await pilot.press("v")
        await pilot.pause()
        return pilot.app.screen, str(screen_text(pilot.app))

    failed = make_run(*training(30), StateChanged("failed", "No picture."))
    screen, text = drive(LoratuiApp(run_id=failed.id), act)
    assert isinstance(screen, TrainingScreen)
    assert "v result" not in text
    assert "this run saved no LoRA file" in text


def test_leaving_while_it_reads_is_possible(
    finished: Any, drive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    from loratui.tui.result import files

    run = finished()
    release, real = threading.Event(), files.look
    started = threading.Event()

    def slow(path: Path) -> Any:
        started.set()
        release.wait(10)
        return real(path)

    monkeypatch.setattr("loratui.tui.result.screen.look", slow)

    async def act(pilot: Pilot[None]) -> tuple[str, object]:
        await pilot.press("v")
        await pilot.pause()
        await asyncio.to_thread(started.wait, 5)
        title = pilot.app.screen.query_one("#title", Line).text
        await pilot.press("escape")
        await pilot.pause()
        release.set()
        await pilot.pause(0.2)
        return title, pilot.app.screen

    title, screen = drive(LoratuiApp(run_id=run.id), act)
    assert "reading 1 of 2: demo.safetensors" in title
    assert isinstance(screen, TrainingScreen)


def test_y_copies_the_scp_line(finished: Any, drive: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run = finished()
    copied: list[str] = []
    monkeypatch.setattr(LoratuiApp, "copy_to_clipboard", lambda app, text: copied.append(text))

    async def act(pilot: Pilot[None]) -> None:
        await pilot.press("v")
        await read(pilot)
        await pilot.press("y")

    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    drive(LoratuiApp(run_id=run.id), act)
    monkeypatch.setenv("SSH_CONNECTION", "192.0.2.7 50022 8.8.8.8 2222")
    drive(LoratuiApp(run_id=run.id), act)
    assert copied[0] == str(run.folder / FINAL.path)
    assert copied[1].startswith("scp -P 2222 ")
    assert copied[1].endswith(f"@8.8.8.8:{run.folder / FINAL.path} .")


def test_other_ways_out_fit_the_machine() -> None:
    path, at = Path("/a/b.safetensors"), SshAddress("me", "gpu", "2222")
    (rsync,) = [line for _, line in carry.other_ways(path, at, {})]
    assert rsync == "rsync -P -e 'ssh -p 2222' me@gpu:/a/b.safetensors ."
    lines = [line for _, line in carry.other_ways(path, None, {"RUNPOD_POD_ID": "x"})]
    assert lines == ["runpodctl send b.safetensors"]
    assert not list(carry.other_ways(path, None, {}))


def test_a_name_like_an_option_is_no_option() -> None:
    assert "./-x.safetensors" in carry.strip(Path("/a/-x.safetensors"))


def test_each_file_is_listed_once_the_final_one_first() -> None:
    again = Checkpoint("a.safetensors", 60)
    view = RunView(
        step=90,
        checkpoints=(Checkpoint("a.safetensors", 50), again, Checkpoint("b.safetensors", 80)),
        final_file="/run/end.safetensors",
    )
    listed = [(saved.path.name, saved.step, saved.final) for saved in saved_files(view, Path("/run"))]
    assert listed == [
        ("end.safetensors", 90, True),
        ("b.safetensors", 80, False),
        ("a.safetensors", 60, False),
    ]


def test_the_panel_says_that_a_finished_lora_does_nothing(
    make_run: Any, training: Any, drive: Any, screen_text: Any
) -> None:
    line = "all its 84 modules have a half of zeros, so its strength is 0"
    run = make_run(*training(200), FINAL, Hint("no_effect", "quality", line), StateChanged("finished"))

    async def act(pilot: Pilot[None]) -> str:
        assert pilot.app.screen.query_one(LogPane)
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(run_id=run.id), act, (120, 40))
    assert "But it will hardly show: all its 84 modules" in text
    assert "r opens its recipe again to change it" in text
    assert "LoRA folder" not in text


def test_help_names_its_keys(finished: Any, drive: Any, screen_text: Any) -> None:
    run = finished()

    async def act(pilot: Pilot[None]) -> str:
        await pilot.press("v")
        await read(pilot)
        await pilot.press("question_mark")
        await pilot.pause()
        return str(screen_text(pilot.app))

    text = drive(LoratuiApp(run_id=run.id), act)
    assert "pagedown" in text
    assert "Copy the scp line" in text
