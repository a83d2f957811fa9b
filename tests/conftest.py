"""What all tests share: a home of their own, and the demo's material made once."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
# What a terminal or a person has set changes what is drawn; the tests that mean it set it themselves.
for name in (
    "NO_COLOR",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "LC_ALL",
    "LC_CTYPE",
    "LORATUI_ASCII",
    "LORATUI_PRICE",
    "LORATUI_SLOW",
):
    os.environ.pop(name, None)
os.environ.update(LANG="C.UTF-8", TERM="xterm-256color")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

Loratui = Callable[..., "subprocess.CompletedProcess[str]"]
Call = Callable[..., tuple[int, Any, str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that no worker is left alone with them at the end."""
    items.sort(key=lambda item: "e2e" not in item.path.parts)


def pytest_configure(config: pytest.Config) -> None:
    """Of three workers two share a processor and leave the other to the first, which has the most to do."""
    if os.environ.get("PYTEST_XDIST_WORKER", "gw0") != "gw0" and _workers() >= 3:
        os.nice(5)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave to another worker what is not for this one."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        return None
    from tests.support import sharing

    return sharing.leaves_out(worker, _workers(), collection_path) or None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that need torch go to one worker, all else to whoever is free."""
    from tests.support import sharing

    return sharing.Sharing(config, log)


def _workers() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty LORATUI_HOME."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("LORATUI_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def demo_material(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's pictures and tiny model, to be linked to and never written; made once for all workers."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "material"
    folder.mkdir(exist_ok=True)
    code = "from loratui import demo; demo.make_pictures(); demo.make_model()"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        environment = {**os.environ, "LORATUI_HOME": str(folder)}
        subprocess.run([sys.executable, "-c", code], env=environment, check=True)  # what is there stays
    return folder / "demo"


@pytest.fixture
def demo_home(home: Path, demo_material: Path) -> Path:
    """A home with the demo's material and no runs."""
    (home / "demo").symlink_to(demo_material)
    return home


def as_process(*arguments: str, timeout: float = 120, **more: object) -> subprocess.CompletedProcess[str]:
    """``loratui ARGUMENTS`` as a process, without a terminal."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "loratui", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        **more,
        check=False,
    )


@pytest.fixture
def loratui() -> Loratui:
    """Runs ``loratui`` without a terminal: its whole ``main``, but in this process, which saves a start of
    Python each time. With an environment of its own it is a process."""
    from loratui.__main__ import main

    def run(*arguments: str, timeout: float = 120, **more: object) -> subprocess.CompletedProcess[str]:
        if more:
            return as_process(*arguments, timeout=timeout, **more)
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with (
            Path(os.devnull).open(encoding="utf-8") as nothing,
            mock.patch.multiple(sys, argv=["loratui", *arguments], stdin=nothing),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            main()
        said = []
        for stream in (out, err):
            stream.seek(0)
            said.append(stream.read())
        return subprocess.CompletedProcess(arguments, int(ended.value.code or 0), *said)

    return run


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command in this process: its exit code, its JSON object or its text, and what it narrated."""
    from loratui.cli.door import cli

    def run(*arguments: object) -> tuple[int, Any, str]:
        code = cli([str(argument) for argument in arguments], standalone_mode=False) or 0
        said = capsys.readouterr()
        return code, json.loads(said.out) if "--json" in arguments else said.out, said.err

    return run
