"""The doctor where nothing is installed."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "loratui"
SECRET = "hf_abcdefghijklmnop"


class Hub(BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_response(200)
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return "Tue, 24 Nov 2020 04:00:00 GMT"

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A Python with nothing installed, not even pip."""
    folder = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"


@pytest.mark.parametrize("started", [[str(PACKAGE / "doctor")], ["-m", "loratui.doctor"]])
def test_with_nothing_installed(bare: Path, tmp_path: Path, hub: str, started: list[str]) -> None:
    done = subprocess.run(
        [str(bare), *started, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=PACKAGE.parent,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "LORATUI_HOME": str(tmp_path / "home"),
            "HF_ENDPOINT": hub,
            "HF_TOKEN": SECRET,
            "no_proxy": "*",
        },
        check=False,
    )
    checks = json.loads(done.stdout)["checks"]
    assert all(set(check) == {"name", "ok", "detail", "fix"} for check in checks)
    assert all(check["ok"] or check["fix"] for check in checks)
    by_name = {check["name"]: check for check in checks}
    assert {"python", "driver", "gpu", "builtin", "kohya", "disk", "shm", "memory", "files", "hub", "token",
            "clock", "git", "venv", "terminal", "engines"} <= set(by_name)  # fmt: skip
    assert done.returncode == 1
    assert "click" in by_name["loratui"]["detail"]
    assert by_name["hub"]["ok"] and by_name["token"]["ok"]
    assert "ahead" in by_name["clock"]["detail"]
    assert SECRET not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "home").exists()


def test_in_words(bare: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [str(bare), str(PACKAGE / "doctor")],
        capture_output=True,
        text=True,
        timeout=120,
        env={"PATH": "/usr/bin:/bin", "LORATUI_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        check=False,
    )
    assert "To mend before training here: loratui" in done.stdout
    assert "      > " in done.stdout


@pytest.mark.parametrize(
    "path",
    [*sorted((PACKAGE / "doctor").glob("*.py")), PACKAGE / "kohya_checkout.py", PACKAGE / "places.py",
     PACKAGE / "__init__.py"],
    ids=lambda path: path.name,
)  # fmt: skip
def test_an_old_python_can_read_it(path: Path) -> None:
    """So that it can say that it is too old."""
    ast.parse(path.read_text(), feature_version=(3, 8))
