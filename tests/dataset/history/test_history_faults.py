"""A kill at any moment and a full disk leave the old step or the new one, and never half of one."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

from loratui.dataset import history
from loratui.dataset.history import Made, Plan, Written
from loratui.problems import UserError


@pytest.fixture
def folder(home: Path) -> Iterator[Path]:
    # In memory where there is such a place: every step is brought to the disk, and there are hundreds here.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=memory) as root:
        folder = Path(root) / "set"
        (folder / "10_a").mkdir(parents=True)
        (folder / "10_a" / "1.png").write_bytes(b"pixels")
        (folder / "10_a" / "1.txt").write_text("old words")
        yield folder


def contents(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in history.list_set(folder).files}


def plan(folder: Path) -> Plan:
    put: dict[str, history.Source] = {
        "10_a/1.txt": Written(b"new words"),
        "20_b/2.webp": Made(lambda path: path.write_bytes(b"made")),
    }
    return Plan(history.begin(folder), "edit", "x", put)


OLD = {"10_a/1.png": b"pixels", "10_a/1.txt": b"old words"}
NEW = {"10_a/1.png": b"pixels", "10_a/1.txt": b"new words", "20_b/2.webp": b"made"}


def in_a_child(work: Callable[[], object], before: Callable[[], object] = lambda: None) -> int:
    """Run ``work`` in a forked process. Its exit status as ``os.waitpid`` gives it; 3 << 8 for an error that
    a person would see."""
    child = os.fork()
    if child == 0:
        try:
            before()
            work()
            os._exit(0)
        except UserError:
            os._exit(3)
        finally:
            os._exit(4)
    return os.waitpid(child, 0)[1]


def kill_at(event: int) -> None:
    """Let the process die by SIGKILL at its n-th call that Python audits (open, mkdir, link, rename …)."""
    seen = 0

    def hook(name: str, _: object) -> None:
        nonlocal seen
        if name == "open" or name.startswith(("os.", "shutil.", "fcntl.", "_thread.")):
            seen += 1
            if seen == event:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


@pytest.mark.parametrize("work", ["apply", "undo"])
def test_a_kill_at_any_call(folder: Path, work: str) -> None:
    if work == "undo":
        history.apply(plan(folder))
    start, end = (OLD, NEW) if work == "apply" else (NEW, OLD)
    prepared = plan(folder) if work == "apply" else None

    def act() -> None:
        if prepared is not None:
            history.apply(prepared)
        else:
            history.undo(folder)

    seen = set()
    for event in range(1, 500):
        status = in_a_child(act, lambda event=event: kill_at(event))  # type: ignore[misc]
        found = contents(history.current(folder))
        assert found in (start, end), event
        assert contents(folder) == OLD
        for step in history.find(folder).steps[1:]:
            assert contents(step.folder) == NEW
        seen.add(found == end)
        if os.WIFEXITED(status):
            assert os.WEXITSTATUS(status) == 0
            break
        if found == end:  # begin again from the start
            (history.undo if work == "apply" else history.redo)(folder)
        if prepared is not None:
            prepared = plan(folder)
    else:
        pytest.fail("it never ended by itself")
    assert True in seen and False in seen and event > 5
    # What the kills left half made is gone once the next step is made.
    history.undo(folder, to=0) if history.find(folder).number else None
    last = history.apply(plan(folder))
    assert contents(last.folder) == NEW
    assert not list(last.folder.parent.glob(".building*"))


def test_kills_at_random_moments(folder: Path) -> None:
    for number in range(200):
        (folder / "10_a" / f"more {number}.png").write_bytes(b"x")
    random = Random(1)
    whole = contents(folder)
    for _ in range(12):
        child = os.fork()
        if child == 0:
            for words in (b"1", b"2"):
                history.apply(Plan(history.begin(folder), "edit", "x", {"10_a/1.txt": Written(words)}))
            os._exit(0)
        time.sleep(random.uniform(0, 0.06))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = contents(history.current(folder))
        assert found.keys() == whole.keys()
        assert found.pop("10_a/1.txt") in (b"old words", b"1", b"2")
        assert contents(folder) == whole


def test_a_full_disk(folder: Path) -> None:
    history.apply(plan(folder))
    big = Plan(history.begin(folder), "edit", "x", {"10_a/1.txt": Written(b"x" * 100_000)})

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))

    status = in_a_child(lambda: history.apply(big), limit)
    assert os.WEXITSTATUS(status) == 3
    assert contents(history.current(folder)) == NEW
    names = {path.name for path in (folder.parent / "set.steps").iterdir()}
    assert names == {"01_edit", "current", ".lock", ".loratui-history.json"}


def test_two_at_once(folder: Path) -> None:
    history.apply(plan(folder))
    first = plan(folder)

    def make(path: Path) -> None:
        path.write_bytes(b"slow")
        with pytest.raises(UserError, match="another loratui is changing this dataset"):
            history.undo(folder)

    history.apply(Plan(first.base, "slow", "x", {"10_a/2.png": Made(make)}))
