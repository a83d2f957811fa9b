"""A small server that stands in for the Hugging Face hub."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs


class Hub(ThreadingHTTPServer):
    """What the hub's API answers to making a repository and committing, kept in memory."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos: dict[str, dict[str, bytes]] = {}
        self.private: dict[str, bool] = {}
        self.objects: dict[str, bytes] = {}
        self.refusals: dict[str, tuple[int, dict[str, str]]] = {}
        """Part of a path to (status, headers) it is refused with."""
        self.tokens: set[str | None] = set()
        self.large = False
        """Whether .safetensors go as large files."""
        self.large_files: set[str] = set()
        self.damages = False
        """Whether files lose their last byte."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, status: int, content: object = None, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_GET(self) -> None:
        self.answer(404, {"error": "not found"})

    def do_PUT(self) -> None:
        data = self.body()
        self.server.objects[self.path.rpartition("/")[2]] = data
        self.answer(200)

    def do_POST(self) -> None:
        hub, data = self.server, self.body()
        hub.tokens.add(self.headers.get("Authorization"))
        for part, (status, headers) in hub.refusals.items():
            if part in self.path:
                self.answer(status, {"error": "no"}, headers)
                return
        if self.path == "/api/repos/create":
            wanted = json.loads(data)
            repo = f"{wanted['organization']}/{wanted['name']}"
            if repo in hub.repos:
                self.answer(409, {"error": "You already created this model repo", "url": f"{hub.url}/{repo}"})
                return
            hub.repos[repo] = {}
            hub.private[repo] = wanted["visibility"] == "private"
            self.answer(200, {"url": f"{hub.url}/{repo}"})
        elif self.path == "/api/validate-yaml":
            bad = "license: nonsense" in json.loads(data)["content"]
            errors = [{"message": '"license" must be one of ...'}] if bad else []
            self.answer(400 if bad else 200, {"errors": errors, "warnings": [{"message": "empty"}]})
        elif "/preupload/" in self.path:
            files = [
                {
                    "path": file["path"],
                    "uploadMode": "lfs" if hub.large and file["path"].endswith(".safetensors") else "regular",
                    "shouldIgnore": False,
                }
                for file in json.loads(data)["files"]
            ]
            self.answer(200, {"files": files})
        elif self.path.endswith("/info/lfs/objects/batch"):
            objects = [
                {**wanted, "actions": {"upload": {"href": f"{hub.url}/store/{wanted['oid']}"}}}
                for wanted in json.loads(data)["objects"]
            ]
            self.answer(200, {"objects": objects, "transfer": "basic"})
        elif "/paths-info/" in self.path:
            repo = self.path.removeprefix("/api/models/").partition("/paths-info/")[0]
            there = hub.repos[repo]
            wanted = [name for name in parse_qs(data.decode())["paths"] if name in there]
            self.answer(200, [_described(name, there[name], name in hub.large_files) for name in wanted])
        elif "/commit/" in self.path:
            repo = self.path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in data.splitlines():
                item = json.loads(line)
                if item["key"] == "file":
                    hub.repos[repo][item["value"]["path"]] = base64.b64decode(item["value"]["content"])
                elif item["key"] == "lfsFile":
                    hub.repos[repo][item["value"]["path"]] = hub.objects[item["value"]["oid"]]
                    hub.large_files.add(item["value"]["path"])
            if hub.damages:
                hub.repos[repo] = {name: data[:-1] for name, data in hub.repos[repo].items()}
            self.answer(200, {"commitUrl": f"{hub.url}/{repo}/commit/abc", "commitOid": "abc"})
        else:
            self.answer(404, {"error": "not found"})


def _described(name: str, data: bytes, large: bool) -> dict[str, object]:
    """A row of the hub's paths-info."""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    lfs = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return {"type": "file", "path": name, "size": len(data), "oid": blob, **({"lfs": lfs} if large else {})}


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers while the block lasts."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
