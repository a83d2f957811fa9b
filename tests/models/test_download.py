"""Downloads from a server of the test's own: resumed, checked, refused, and never half in place."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from loratui.models import catalog, download, remote
from loratui.models.download import Fetching, StoppedError, part_of
from loratui.models.remote import Wanted
from loratui.problems import UserError

DATA = bytes(range(256)) * 20_000
SHA = hashlib.sha256(DATA).hexdigest()


@dataclass
class Hub:
    """A server with one file, and how it behaves."""

    data: bytes = DATA
    promised: str = SHA
    status: int = 200
    error: str = ""
    ranges: bool = True
    cut_after: int | None = None
    """Bytes after which each connection breaks."""
    elsewhere: str = ""
    """Another host that downloads are sent to."""
    asked: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Method, path, Range, Authorization of each request."""
    url: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, format: str, *arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        hub, given = self.server.hub, self.headers
        hub.asked.append((self.command, self.path, given.get("Range", ""), given.get("Authorization", "")))
        if hub.status != 200:
            self.send_response(hub.status)
            if hub.error:
                self.send_header("X-Error-Code", hub.error)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if hub.elsewhere and self.path.endswith(".safetensors"):
            self.send_response(302)
            self.send_header("Location", f"{hub.elsewhere}/blob")
            self.send_header("X-Linked-Size", str(len(hub.data)))
            self.send_header("X-Linked-Etag", f'"{hub.promised}"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(given.get("Range", "bytes=0-")[6:-1]) if hub.ranges else 0
        rest = hub.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(rest)))
        self.send_header("ETag", f'"{hub.promised}"')
        self.end_headers()
        if body:
            with contextlib.suppress(ConnectionError):  # the other end may have had enough
                self.wfile.write(rest if hub.cut_after is None else rest[: hub.cut_after])
            if hub.cut_after is not None:
                self.close_connection = True


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub
        hub.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def serve() -> Iterator[Callable[..., Hub]]:
    servers: list[Server] = []

    def start(**behaviour: object) -> Hub:
        hub = Hub(**behaviour)  # type: ignore[arg-type]
        servers.append(Server(hub))
        threading.Thread(target=servers[-1].serve_forever, args=(0.05,), daemon=True).start()
        return hub

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "CIVITAI_TOKEN", "CIVITAI_API_TOKEN", "HF_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "no-hub"))


def one(hub: Hub, folder: Path, sha256: str = "") -> Wanted:
    url = f"{hub.url}/them/model/resolve/main/x.safetensors"
    return Wanted("huggingface", url, folder / "x.safetensors", "https://page", sha256=sha256)


def fetch(wanted: Wanted, **more: object) -> Path:
    return download.download(wanted, wait=0.0, **more)  # type: ignore[arg-type]


def test_a_file_comes_whole_and_is_told_of(serve: Callable[..., Hub], tmp_path: Path) -> None:
    told: list[Fetching] = []
    path = fetch(one(serve(), tmp_path), tell=told.append)
    assert path.read_bytes() == DATA
    assert not part_of(path).exists()
    assert told[0].total == len(DATA)
    assert told[-1].checking
    assert told[-1].done == len(DATA)


def test_what_is_there_is_not_fetched_again(serve: Callable[..., Hub], tmp_path: Path) -> None:
    hub = serve()
    (tmp_path / "x.safetensors").write_bytes(b"mine")
    assert fetch(one(hub, tmp_path)).read_bytes() == b"mine"
    assert hub.asked == []


def test_a_broken_line_is_taken_up_where_it_broke(serve: Callable[..., Hub], tmp_path: Path) -> None:
    hub = serve(cut_after=1_500_000)
    assert fetch(one(hub, tmp_path)).read_bytes() == DATA
    starts = [asked[2] for asked in hub.asked if asked[0] == "GET"]
    assert starts == ["", "bytes=1500000-", "bytes=3000000-", "bytes=4500000-"]


def test_a_part_from_yesterday_is_gone_on_with(serve: Callable[..., Hub], tmp_path: Path) -> None:
    hub = serve()
    wanted = one(hub, tmp_path)
    part_of(wanted.target).write_bytes(DATA[:1000])
    assert fetch(wanted).read_bytes() == DATA
    assert hub.asked[-1][2] == "bytes=1000-"


def test_a_server_that_cannot_resume_begins_again(serve: Callable[..., Hub], tmp_path: Path) -> None:
    wanted = one(serve(ranges=False), tmp_path)
    part_of(wanted.target).write_bytes(DATA[:1000])
    assert fetch(wanted).read_bytes() == DATA


@pytest.mark.parametrize("promised", [SHA[::-1], "0" * 64])
def test_a_damaged_file_is_refused_and_does_not_stay(
    serve: Callable[..., Hub], tmp_path: Path, promised: str
) -> None:
    wanted = one(serve(promised=promised), tmp_path)
    with pytest.raises(UserError, match=r"damaged: its checksum is .*Fetch it again"):
        fetch(wanted)
    assert list(tmp_path.iterdir()) == []


def test_a_replaced_file_is_refused_before_it_comes(serve: Callable[..., Hub], tmp_path: Path) -> None:
    hub = serve()
    with pytest.raises(UserError, match="is the known one"):
        fetch(one(hub, tmp_path, sha256="67ab2fd8ec"))
    assert [asked[0] for asked in hub.asked] == ["HEAD"]


def test_published_digits_that_agree_are_enough(serve: Callable[..., Hub], tmp_path: Path) -> None:
    assert fetch(one(serve(), tmp_path, sha256=SHA[:10])).read_bytes() == DATA


@pytest.mark.parametrize("status", [401, 403])
def test_a_gated_model_is_found_before_anything_else(
    serve: Callable[..., Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    hub = serve(status=status, error="GatedRepo")
    with pytest.raises(UserError, match=r"licence must be accepted.*https://page.*HF_TOKEN"):
        fetch(one(hub, tmp_path))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with pytest.raises(UserError, match="with the account the token belongs to") as refused:
        fetch(one(hub, tmp_path))
    assert "hf_secret" not in str(refused.value)
    assert [asked[0] for asked in hub.asked] == ["HEAD", "HEAD"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "words"), [(404, "no such file"), (429, "patience"), (503, "answers 503")]
)
def test_other_refusals_are_sentences(
    serve: Callable[..., Hub], tmp_path: Path, status: int, words: str
) -> None:
    with pytest.raises(UserError, match=words):
        fetch(one(serve(status=status), tmp_path))


def test_no_server_is_a_sentence(tmp_path: Path) -> None:
    nobody = Wanted("huggingface", "http://127.0.0.1:9/x", tmp_path / "x", "https://page")
    with pytest.raises(UserError, match="cannot be reached"):
        fetch(nobody)


def test_the_token_goes_to_its_host_and_to_no_other(
    serve: Callable[..., Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    store = serve()
    hub = serve(elsewhere=store.url.replace("127.0.0.1", "localhost"))
    assert fetch(one(hub, tmp_path)).read_bytes() == DATA
    assert {asked[3] for asked in hub.asked} == {"Bearer hf_secret"}
    assert [asked[:2] for asked in store.asked] == [("GET", "/blob")]
    assert store.asked[0][3] == ""


def test_civitai_takes_its_token_from_the_environment_in_a_header(
    serve: Callable[..., Hub], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = serve(promised="67ab2fd8ec" + "0" * 54)
    monkeypatch.setenv("CIVITAI_ENDPOINT", hub.url)
    monkeypatch.setenv("CIVITAI_TOKEN", "civ_secret")
    (pony,) = remote.wanted(catalog.find("pony"))
    with pytest.raises(UserError, match="damaged"):
        fetch(pony)
    assert all(asked[3] == "Bearer civ_secret" for asked in hub.asked)
    assert not any("secret" in asked[1] for asked in hub.asked)
    assert any(asked[1] == "/api/download/models/290640" for asked in hub.asked)


def test_civitai_without_a_token_says_how_to_get_one(
    serve: Callable[..., Hub], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CIVITAI_ENDPOINT", serve(status=401).url)
    with pytest.raises(UserError, match=r"API key.*CIVITAI_TOKEN"):
        fetch(remote.wanted(catalog.find("pony"))[0])


def test_too_little_room_is_told_before_a_byte_comes(
    serve: Callable[..., Hub], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = serve()
    monkeypatch.setattr(
        "loratui.models.download.shutil.disk_usage", lambda _: SimpleNamespace(free=len(DATA))
    )
    with pytest.raises(UserError, match=r"still to come.*Make room"):
        fetch(one(hub, tmp_path))
    assert [asked[0] for asked in hub.asked] == ["HEAD"]


def test_a_disk_that_fills_up_is_a_sentence_and_nothing_is_in_place(
    serve: Callable[..., Hub], tmp_path: Path
) -> None:
    wanted = one(serve(), tmp_path)
    part_of(wanted.target).symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"No space left.*make room"):
        fetch(wanted)
    assert not wanted.target.exists()


def test_stopping_keeps_what_has_come(serve: Callable[..., Hub], tmp_path: Path) -> None:
    wanted = one(serve(), tmp_path)
    with pytest.raises(StoppedError):
        fetch(wanted, should_stop=lambda: True)
    assert 0 < part_of(wanted.target).stat().st_size < len(DATA)
    assert fetch(wanted).read_bytes() == DATA


def test_two_do_not_fetch_the_same_file(serve: Callable[..., Hub], tmp_path: Path) -> None:
    wanted = one(serve(), tmp_path)
    refusals: list[str] = []

    def meanwhile(_: Fetching) -> None:
        if not refusals:
            with pytest.raises(UserError) as refused:
                fetch(wanted)
            refusals.append(str(refused.value))

    assert fetch(wanted, tell=meanwhile).read_bytes() == DATA
    assert "already" in refusals[0]
