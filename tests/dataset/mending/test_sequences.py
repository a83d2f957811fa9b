"""Any sequence of real operations: a person's folder stays as it is, nothing is lost that is not written
down, and undo goes back byte for byte."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from loratui.dataset import history
from loratui.dataset.history import Base, Kept, Plan
from loratui.dataset.mending import tag_edits
from loratui.dataset.mending.caption_plan import CaptionWork, plan_captions, plan_drop
from loratui.dataset.mending.convert import plan_conversion
from loratui.dataset.mending.duplicates import find_groups, pictures, plan_dedupe
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.looking import look_at
from loratui.dataset.mending.tidy_names import plan_arrange
from loratui.problems import UserError


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as root:
        folder = Path(root) / "template"
        names = ["10_a/1.png", "10_a/1.jpg", "10_a/[red]\n2.png", "b/3.PNG", "4.Jpg", "10_a/sub/5.gif"]
        for name in names:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            form = {".jpg": "JPEG", ".gif": "GIF"}.get(path.suffix.lower(), "PNG")
            Image.effect_noise((40, 40), 90).save(path, form)
        shutil.copy(folder / "10_a/1.png", folder / "10_a/copy.png")
        Image.new("RGBA", (40, 40), (9, 9, 9, 90)).save(folder / "10_a/alpha.png")
        (folder / "10_a/cut.png").write_bytes((folder / "10_a/1.png").read_bytes()[:99])
        (folder / "10_a/1.txt").write_bytes(b"smile, caf\xe9, hat")
        (folder / "10_a/copy.txt").write_text("hat\nmore")
        (folder / "10_a/orphan.txt").write_text("of nothing")
        yield folder


def dedupe(base: Base) -> Plan:
    entries = read_entries(base)
    seen = look_at(base, [entry.name for entry in entries.all])
    return plan_dedupe(entries, find_groups(pictures(entries, seen), 90))


def edit(work: CaptionWork) -> Callable[[Base], Plan]:
    def plan(base: Base) -> Plan:
        entries = read_entries(base)
        return plan_captions(entries, entries.all, work).plan

    return plan


def leave_out(base: Base) -> Plan:
    entries = read_entries(base)
    return plan_drop(entries, entries.all[:1])


OPERATIONS: dict[str, Callable[[Base], Plan]] = {
    "dedupe": dedupe,
    "convert": lambda base: plan_conversion(base).plan,
    "arrange": lambda base: plan_arrange(base).plan,
    "orphans": lambda base: plan_arrange(base, drop_orphans=True).plan,
    "tidy": edit(CaptionWork(normalise=True, fill="{folder}")),
    "front": edit(CaptionWork(edits=(tag_edits.add("ohwx", front=True),))),
    "remove": edit(CaptionWork(edits=(tag_edits.remove("*a*"),))),
    "leave out": leave_out,
}


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in history.list_set(folder).files}


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.sampled_from([*OPERATIONS, "undo", "redo"]), min_size=1, max_size=6))
def test_no_operation_loses_a_file_or_a_caption(template: Path, names: list[str]) -> None:
    root = Path(tempfile.mkdtemp(dir=template.parent))
    os.environ["LORATUI_HOME"] = str(root / "home")
    folder = root / "set"
    shutil.copytree(template, folder)
    first = contents(folder)
    known = {0: first}
    for name in names:
        if name in ("undo", "redo"):
            try:
                history.undo(folder) if name == "undo" else history.redo(folder)
            except UserError as error:
                assert "nothing to" in str(error)
        else:
            plan = OPERATIONS[name](history.begin(folder))
            before = known[history.find(folder).number]
            if plan.is_empty:
                continue
            step = history.apply(plan)
            known[step.number] = contents(step.folder)
            moved = {source.name for source in plan.put.values() if isinstance(source, Kept)}
            for old, data in before.items():
                kept = known[step.number].get(old) == data
                assert kept or old in plan.put or old in plan.drop, (name, old)
                # What is neither moved nor rewritten is written down as left out.
                assert step.record is not None
                assert old in known[step.number] or old in moved or old in step.record.dropped
        assert contents(folder) == first
        for step in history.find(folder).steps:
            assert contents(step.folder) == known[step.number]
    shutil.rmtree(root)
    del os.environ["LORATUI_HOME"]
