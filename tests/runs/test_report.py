"""A run as one page: whole in itself, and safe to open."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from loratui.cli import history, runs
from loratui.events import AnyEvent, Checkpoint, Hint, Planned, Record, Sample, StateChanged, Step, encode
from loratui.problems import UserError
from loratui.recipe import Recipe, change
from loratui.runs import deleting, layout, lock, store
from loratui.runs.queueing import queue_file
from loratui.runs.reporting import report
from loratui.runs.store import Run, Status

GREEN = (20, 200, 90)
LINE = (0x3B, 0x6E, 0xA5)
NASTY = "</pre><script>alert(1)</script> \x1b[31m<img src=http://evil.example/x.png>"


def made(recipe: Recipe, *happened: AnyEvent, state: str = "finished") -> Run:
    run = store.create(recipe, "builtin", 90)
    events: list[AnyEvent] = [StateChanged("running"), Planned(90, 3, 30, 30)]
    events += [
        Step(number, 1 / number + 0.1, rates={"unet": 1e-4 / number}, gradient_norm=0.5 + number % 3)
        for number in range(1, 91)
    ]
    events += [*happened, StateChanged(state, NASTY)]  # type: ignore[arg-type]
    lines = [encode(Record(number, 1.0, number / 4, event)) for number, event in enumerate(events)]
    run.events.write_bytes(b"\n".join(lines) + b"\n")
    layout.write_status(run, Status(state, NASTY, step=90, total_steps=90))  # type: ignore[arg-type]
    return run


class Elements(HTMLParser):
    """All tags of a page with their attributes; closes are checked."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "polyline") or (tag == "polyline" and "width" in str(attrs)):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture
def page(home: Path, recipe: Recipe) -> tuple[Path, str]:
    run = made(
        change(recipe, {"dataset.trigger": NASTY, "kohya.huggingface_token": "hf_sesame"}),
        Checkpoint("checkpoints/hero.safetensors", 90, 3, final=True),
        Hint("caption_missing", "warning", NASTY),
        Sample("samples/a.png", 30, NASTY),
        Sample("samples/gone.png", 60, "x"),
    )
    Image.new("RGB", (64, 64), GREEN).save(run.samples / "a.png")
    path = report.write(run)
    assert path.stat().st_mode & 0o777 == 0o600
    return path, path.read_text()


def test_it_is_whole_in_itself_and_runs_nothing(page: tuple[Path, str]) -> None:
    found = Elements(page[1]).found
    tags = [tag for tag, _ in found]
    assert "script" not in tags and "link" not in tags and "iframe" not in tags
    sources = [attributes.get("src") or attributes.get("href") for _, attributes in found]
    assert all(source.startswith("data:image/") for source in sources if source)
    assert tags.count("img") == 1 and tags.count("polyline") == 5
    titles = [words for words in ("Loss", "Learning rate", "Gradient norm") if f"<h2>{words}</h2>" in page[1]]
    assert len(titles) == tags.count("svg") == 3
    assert not [name for _, attributes in found for name in attributes if name.startswith("on")]
    assert "\x1b" not in page[1] and "hf_sesame" not in page[1]
    assert "default-src 'none'" in page[1]
    assert "caption_missing" in page[1] and "epochs = 1" in page[1]


def test_a_browser_shows_it(page: tuple[Path, str], tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("no chromium here")
    picture = tmp_path / "report.png"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    command += ["--disable-background-networking", "--no-first-run", "--enable-logging=stderr"]
    command += [f"--screenshot={picture}", "--window-size=900,2400", page[0].as_uri()]
    told = subprocess.run(command, timeout=90, check=True, capture_output=True, text=True)
    assert "CONSOLE" not in told.stderr, "the page's own policy forbids something it holds"
    with Image.open(picture) as shot:
        seen = Counter(shot.convert("RGB").get_flattened_data())
    assert seen[GREEN] == 64 * 64, "the sample picture"
    assert seen[LINE] > 1000, "the curves"


def test_two_runs_on_one_page(home: Path, recipe: Recipe, tmp_path: Path) -> None:
    first, second = made(recipe), made(change(recipe, {"network.rank": 4, "network.alpha": 2.0}))
    out = tmp_path / "both.html"
    told = CliRunner().invoke(history.compare, [first.id, second.id, "-o", str(out)])
    assert told.exit_code == 0
    assert "network.rank: 16 -> 4" in told.stdout
    tags = [tag for tag, _ in Elements(out.read_text()).found]
    assert tags.count("polyline") == 4
    assert "network.alpha" in out.read_text()


def test_one_line_for_a_phone(home: Path, recipe: Recipe) -> None:
    run = made(recipe, Hint("oom_cuda", "fatal", "x"), state="failed")
    told = CliRunner().invoke(history.status, [run.id]).stdout
    assert re.fullmatch(r"hero FAILED 90/90 100% loss 0\.111 oom_cuda\n", told)
    whole = json.loads(CliRunner().invoke(history.status, [run.id, "--json"]).stdout)
    assert whole["run"] == run.id and whole["state"] in told.lower() and "seconds_left" in whole
    both = json.loads(CliRunner().invoke(history.compare, [run.id, run.id, "--json"]).stdout)["comparison"]
    assert both["lower"] is None and both["words"]


def test_all_runs_in_one_line_for_a_phone(home: Path, recipe: Recipe) -> None:
    def told() -> str:
        return CliRunner().invoke(runs.runs, ["--line"]).stdout

    assert told() == "no runs yet\n"
    made(recipe, state="failed")
    assert told() == "hero FAILED 90/90 100% loss 0.111\n"
    live = made(recipe, state="running")
    held = lock.hold(live.lock)
    waiting = [store.create(recipe, "builtin", 9, state="queued").id for _ in range(2)]
    queue_file.write(queue_file.Queue(order=tuple(waiting), held=(waiting[0],)))
    assert re.fullmatch(r"hero RUNNING 90/90 100% loss 0.111 0 s left; 2 wait \(1 held\)\n", told())
    os.close(held)


def test_deleting_keeps_the_lora_where_wanted(home: Path, recipe: Recipe) -> None:
    run = made(recipe, Checkpoint("checkpoints/hero.safetensors", 90, 3, final=True))
    (run.checkpoints / "hero.safetensors").write_bytes(b"x" * 100)
    waiting = store.create(
        change(recipe, {"network.weights": str(run.checkpoints / "hero.safetensors")}),
        "builtin",
        9,
        state="queued",
    )
    queue_file.write(queue_file.Queue(order=(waiting.id,)))
    told = CliRunner().invoke(history.delete, [run.id, "--yes", "--keep-lora"])
    assert f"{waiting.id} waits in the queue and names this folder" in told.stderr
    assert told.stdout == f"{deleting.kept_folder() / 'hero.safetensors'}\n"
    assert Path(told.stdout.strip()).read_bytes() == b"x" * 100
    assert not run.folder.exists()


def test_deleting_asks_and_refuses_what_lives(home: Path, recipe: Recipe) -> None:
    run = made(recipe)
    for answer, words in (("n\n", "Nothing was changed."), ("", "--yes does it without asking")):
        told = CliRunner().invoke(history.delete, [run.id], input=answer, standalone_mode=False)
        assert told.return_value == 1 and words in told.stderr
    assert run.folder.exists()
    live = store.create(recipe, "builtin")
    refused = CliRunner().invoke(history.delete, [live.id, "--yes"])
    assert isinstance(refused.exception, UserError) and live.folder.exists()
    assert CliRunner().invoke(history.delete, [run.id], input="y\n").exit_code == 0
    assert not run.folder.exists()
