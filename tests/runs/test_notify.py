"""Word of a run's end, sent to a server of the test's own."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from loratui.problems import UserError
from loratui.recipe import Recipe
from loratui.runs import notify, store
from loratui.runs.notify import Target
from loratui.runs.store import Run, Status

Got = list[tuple[str, dict[str, str], bytes]]


@pytest.fixture
def server() -> Iterator[tuple[str, Got]]:
    got: Got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, dict(self.headers), body))
            self.send_response(500 if "broken" in self.path else 200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    web = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{web.server_port}", got
    web.shutdown()


def settings(text: str, mode: int = 0o600) -> None:
    notify.settings_path().write_text(text)
    notify.settings_path().chmod(mode)


def test_a_run_that_ends_sends_word_and_leaves_no_token(
    begin: Callable[..., Run],
    verdict: Callable[[Run], Status],
    until: Callable[..., object],
    server: tuple[str, Got],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, got = server
    monkeypatch.setenv("SESAME", "tk_secret")
    told = tmp_path / "told"
    settings(
        f'[[send]]\nkind = "ntfy"\nurl = "{url}/topic"\ntoken_env = "SESAME"\n'
        f'[[send]]\nkind = "telegram"\nurl = "{url}/broken"\ntoken = "bot_secret"\nchat = "7"\n'
        f'[[send]]\nkind = "command"\nargv = ["sh", "-c", "echo $LORATUI_STATE > {told}"]\n'
    )
    run = begin("plan(2); step(1); sys.exit(3)")
    assert verdict(run).state == "failed"
    until(lambda: told.exists() and told.read_text() == "failed\n")
    path, headers, body = got[0]
    assert (path, headers["Authorization"]) == ("/topic", "Bearer tk_secret")
    assert body.decode().startswith("hero failed at step 1 of 2, loss 0.5. The trainer failed (exit code 3)")
    assert got[1][0] == "/broken/botbot_secret/sendMessage" and json.loads(got[1][2])["chat_id"] == "7"
    until(lambda: "command" in (run.folder / "notify.log").read_text())
    assert "telegram: the other side answered 500" in (run.folder / "notify.log").read_text()
    for file in run.folder.rglob("*"):
        if file.is_file():
            assert b"secret" not in file.read_bytes(), file


def test_discord_and_json(home: Path, recipe: Recipe, server: tuple[str, Got]) -> None:
    url, got = server
    about = store.summary(store.create(recipe, "builtin"))
    assert notify.send(Target("discord", url=url), about) == ""
    assert notify.send(Target("json", url_env="HOOK"), about, {"HOOK": url}) == ""
    assert json.loads(got[0][2])["allowed_mentions"] == {"parse": []}
    assert json.loads(got[1][2])["name"] == "hero"
    assert notify.send(Target("json", url_env="HOOK"), about, {}) == "json: no address is set"
    assert notify.send(Target("json", url="file:///etc/passwd"), about, {}) == "json: no address is set"


def test_a_file_that_others_may_read_is_refused(home: Path) -> None:
    settings('[[send]]\nkind = "json"\n', 0o644)
    with pytest.raises(UserError, match="chmod 600"):
        notify.read_settings()
    settings('[[send]]\nkind = "pigeon"\n')
    with pytest.raises(UserError, match="pigeon"):
        notify.read_settings()
