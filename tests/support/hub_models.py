"""A small server that hands out models as the Hugging Face hub does."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubOfModels(ThreadingHTTPServer):
    """Repositories are folders on this disk."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, Path] = {}
        self.gated: set[str] = set()
        """Those whose files are refused without a token."""
        self.asked: list[tuple[str, str]] = []
        """Method and file of each request."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: HubOfModels
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = self.path.partition("?")[0]
        name = "/".join(path.removeprefix("/api/models").strip("/").split("/")[:2])
        folder = self.server.repos.get(name)
        if folder is None:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif path.startswith("/api/models/"):
            files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
            siblings = [
                {"rfilename": str(file.relative_to(folder)), "size": file.stat().st_size} for file in files
            ]
            told = {"id": name, "modelId": name, "sha": COMMIT, "siblings": siblings, "private": False}
            self._send(200, json.dumps(told).encode(), {})
        elif name in self.server.gated and self.headers.get("Authorization") != "Bearer hf_let_me_in":
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo"})
        else:
            file = path.replace("/resolve/main/", f"/resolve/{COMMIT}/").partition(f"/resolve/{COMMIT}/")[2]
            self.server.asked.append((self.command, file))
            content = (folder / file).read_bytes()
            tag = hashlib.sha256(content).hexdigest()
            self._send(200, content, {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT})

    def _send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@contextmanager
def serving_models() -> Iterator[HubOfModels]:
    """A running server."""
    hub = HubOfModels()
    thread = threading.Thread(target=hub.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()
        thread.join(5)
