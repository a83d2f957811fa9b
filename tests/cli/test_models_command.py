"""``models`` and ``download`` against a hub on this machine."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from loratui.models import fetching
from tests.conftest import Loratui
from tests.support.processes import wait_for

DATA = b"weights" * 1000


class Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()
        self.wfile.write(DATA)

    def answer(self) -> None:
        gated = "FLUX" in self.path
        self.send_response(401 if gated else 200)
        self.send_header("Content-Length", "0" if gated else str(len(DATA)))
        self.send_header("ETag", f'"{hashlib.sha256(DATA).hexdigest()}"')
        self.end_headers()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("HF_ENDPOINT", url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "none"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    yield url
    server.shutdown()
    server.server_close()


def test_a_model_comes_onto_this_disk_and_is_listed_as_here(home: Path, hub: str, loratui: Loratui) -> None:
    done = loratui("download", "sdxl", "--json")
    assert done.returncode == 0, done.stderr
    path = Path(json.loads(done.stdout)["path"])
    assert path == home / "models" / "sd_xl_base_1.0.safetensors"
    assert path.read_bytes() == DATA
    rows = {row["name"]: row for row in json.loads(loratui("models", "--json").stdout)["models"]}
    assert rows["sdxl"]["on_disk"] is True
    assert rows["sdxl"]["engines"] == ["builtin", "kohya"]
    assert rows["flux-dev"]["on_disk"] is False
    assert rows["flux-dev"]["gated"] is True
    assert rows["chroma"]["engines"] == []


def test_a_gated_one_is_answered_with_its_page(home: Path, hub: str, loratui: Loratui) -> None:
    done = loratui("download", "flux-dev")
    assert done.returncode == 1
    assert f"{hub}/black-forest-labs/FLUX.1-dev" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((home / "models").glob("*.safetensors"))


def test_a_file_of_the_hub_by_its_address(home: Path, hub: str, loratui: Loratui) -> None:
    done = loratui("download", f"{hub}/me/mine/blob/main/sub/mine.safetensors")
    assert done.returncode == 0, done.stderr
    assert (home / "models" / "mine.safetensors").read_bytes() == DATA


def test_a_download_left_alone_goes_on_by_itself(home: Path, hub: str) -> None:
    fetching.start("sdxl")
    wait_for(lambda: (found := fetching.status("sdxl")) and found.state == "done", what="the download")
    assert (home / "models" / "sd_xl_base_1.0.safetensors").read_bytes() == DATA
