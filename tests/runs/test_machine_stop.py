"""A rented machine that stops itself after a run: what must be true before, and who can call it off."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from loratui.recipe import Recipe, change
from loratui.runs import layout, notify, store
from loratui.runs.hardware import gpu
from loratui.runs.queueing import queue_file
from loratui.runs.rental import machine_news, machine_stop, machine_wish, rented
from loratui.runs.store import Run, Status
from tests.support.hub import serving

Asked = list[tuple[str, str, str, bytes]]
SECRET = "sesame_0123456789"


@pytest.fixture(autouse=True)
def no_rental(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever machine the tests run on, it is not stopped."""
    monkeypatch.setattr(rented, "_FILES", ())
    for name in (
        "RUNPOD_POD_ID",
        "RUNPOD_API_KEY",
        "CONTAINER_ID",
        "CONTAINER_API_KEY",
        "VAST_CONTAINERLABEL",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LORATUI_RUNPOD_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LORATUI_VAST_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("LORATUI_STOP_WITHIN", "0")
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    """A server that stands in for RunPod and vast.ai, and takes word from notify besides."""
    asked: Asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked.append((self.command, self.path, self.headers.get("Authorization", ""), body))
            answer = b'{"success": false}' if "/13/" in self.path else b'{"success": true}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_PUT = do_POST  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    web = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=web.serve_forever, args=(0.05,), daemon=True).start()
    url = f"http://127.0.0.1:{web.server_port}"
    monkeypatch.setenv("LORATUI_RUNPOD_URL", url)
    monkeypatch.setenv("LORATUI_VAST_URL", url)
    yield asked
    web.shutdown()


def settings(text: str) -> None:
    notify.settings_path().write_text(text)
    notify.settings_path().chmod(0o600)


def vast(monkeypatch: pytest.MonkeyPatch, instance: str = "77") -> None:
    monkeypatch.setenv("CONTAINER_ID", instance)
    monkeypatch.setenv("CONTAINER_API_KEY", SECRET)


def ended(recipe: Recipe, state: str = "finished") -> Run:
    run = store.create(recipe, "builtin")
    file = run.checkpoints / "hero.safetensors"
    file.write_bytes(b"a LoRA")
    layout.write_status(run, Status(state, step=3, total_steps=3, final_file=str(file)))  # type: ignore[arg-type]
    return run


def test_a_run_sends_its_lora_and_stops_the_pod_minutes_later(
    begin: Callable[..., Run],
    verdict: Callable[[Run], Status],
    until: Callable[..., object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All by real processes: supervisor, upload to a hub, countdown, runpodctl, word of it."""
    tools, asked, told = tmp_path / "tools", tmp_path / "asked", tmp_path / "told"
    tools.mkdir()
    (tools / "runpodctl").write_text(f'#!/bin/sh\necho "$*" >> {asked}\n')
    (tools / "runpodctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("RUNPOD_POD_ID", "pod4711")
    monkeypatch.setenv("RUNPOD_API_KEY", SECRET)
    monkeypatch.setenv("HF_TOKEN", f"hf_{SECRET}")
    for name, value in (
        ("HF_HUB_OFFLINE", "0"),
        ("HF_HUB_DISABLE_XET", "1"),
        ("HF_HOME", str(tmp_path / "hf")),
    ):
        monkeypatch.setenv(name, value)
    settings(
        f'[[send]]\nkind = "command"\nargv = ["sh", "-c", "echo $LORATUI_TEXT >> {told}"]\n'
        '[machine]\nstop = "finished"\nminutes = 0.03\nupload = "me/loras"\n'
    )
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        run = begin("plan(1); step(1); save()")
        assert verdict(run).state == "finished"
        stop = until(machine_news.pending)
        assert isinstance(stop, machine_news.Pending) and (stop.run, stop.provider) == (run.id, "RunPod")
        until(asked.exists)
        assert "hero.safetensors" in hub.repos["me/loras"] and hub.private["me/loras"]
    assert asked.read_text() == "stop pod pod4711\n"
    until(lambda: "yet it still runs" in told.read_text())
    words = told.read_text()
    assert "hero finished at step 1 of 1" in words
    assert "unless a key is pressed (loratui keep). hero.safetensors is safe in me/loras" in words
    assert "Kept: /workspace" in words
    assert machine_news.pending() is None
    for file in (*run.folder.rglob("*"), *(run.folder.parent.parent).glob("*"), told):
        if file.is_file() and file.name != "notify.toml":
            assert SECRET.encode() not in file.read_bytes(), file


def test_vast_is_asked_to_stop_with_its_own_key(
    home: Path,
    tmp_path: Path,
    recipe: Recipe,
    provider: Asked,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is asked but to stop; a failed run that left no LoRA needs no upload."""
    vast(monkeypatch)
    settings('[machine]\nstop = "ended"\nminutes = 0.001\n')
    run = store.create(recipe, "builtin")
    layout.write_status(run, Status("failed"))
    assert machine_stop.main(str(run.folder)) == 1  # it was asked, and is still here
    assert [row[:3] for row in provider] == [("PUT", "/api/v0/instances/77/", f"Bearer {SECRET}")]
    assert json.loads(provider[0][3]) == {"state": "stopped"}
    said = capsys.readouterr().out
    assert "agreed to stop this machine, yet it still runs" in said and SECRET not in said
    vast(monkeypatch, "13")
    (tmp_path / "vastai").write_text(
        f'#!/bin/sh\necho "$*" > {tmp_path}/argv; test "$VAST_API_KEY" = {SECRET} && exit 3\n'
    )
    (tmp_path / "vastai").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    assert machine_stop.main(str(run.folder)) == 1
    said = capsys.readouterr().out
    assert "and it costs: vast.ai: it refused; vastai stop instance: exit code 3." in said
    assert (tmp_path / "argv").read_text() == "stop instance 13\n"


def test_runpod_by_its_api_where_its_program_fails(
    provider: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runpodctl").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "runpodctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    pod = rented.Rented("RunPod", "pod4711")
    assert rented.stop(pod, {"RUNPOD_API_KEY": SECRET}) == ""
    assert [row[:3] for row in provider] == [("POST", "/pods/pod4711/stop", f"Bearer {SECRET}")]
    trouble = rented.stop(pod, {})
    assert trouble.startswith(
        "runpodctl stop pod: exit code 1; runpodctl pod stop: exit code 1; RunPod: this"
    )


@pytest.mark.parametrize("by", ["key", "run", "queue", "resume", "gpu"])
def test_called_off(
    home: Path, recipe: Recipe, provider: Asked, monkeypatch: pytest.MonkeyPatch, by: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    vast(monkeypatch)
    settings('[machine]\nstop = "finished"\nminutes = 1\nwithout_upload = true\n')
    run = ended(recipe)

    def meanwhile() -> None:
        deadline = time.monotonic() + 10
        while machine_news.pending() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        match by:
            case "key":
                assert machine_news.keep() is not None
            case "run":
                store.create(recipe, "builtin")
            case "queue":
                waiting = store.create(recipe, "builtin", state="queued")
                queue_file.change(lambda now: queue_file.Queue((waiting.id,)))
            case "resume":
                layout.write_status(run, Status("starting", attempt=2))
            case "gpu":
                one = gpu.Gpu(0, "A40", 9 << 30, 48 << 30, 99, 60, 200.0, 300.0)
                monkeypatch.setattr(gpu, "sample", lambda: gpu.GpuReading((one,), ""))

    helper = threading.Thread(target=meanwhile)
    helper.start()
    assert machine_stop.main(str(run.folder)) == 0
    helper.join()
    said = capsys.readouterr().out
    words = {"key": "a key was pressed", "run": "is starting", "queue": "waits in the queue"}
    words |= {"resume": "goes on", "gpu": "another program holds 9.0 GiB"}
    assert "stays on: " in said and words[by] in said
    assert provider == [] and machine_news.pending() is None


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "hero.safetensors was not sent anywhere. Send it (loratui lora upload)"),
        ('upload = "me/loras"\n', "hero.safetensors could not be sent to me/loras."),
        ("without_upload = true\n", "is on a disk that the stop would wipe"),
    ],
)
def test_a_lora_that_is_nowhere_safe_keeps_the_machine_on(
    home: Path,
    recipe: Recipe,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: str,
    words: str,
) -> None:
    monkeypatch.setenv("RUNPOD_POD_ID", "pod4711")
    monkeypatch.setattr(rented.Rented, "keeps", lambda self, path: False)
    settings(f'[machine]\nstop = "finished"\nminutes = 0.001\n{more}')
    assert machine_stop.main(str(ended(recipe).folder)) == 0
    assert words in capsys.readouterr().out
    assert machine_news.pending() is None


def test_wished_once_the_run_is_over_it_counts_down_at_once(
    home: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch, until: Callable[..., object], provider: Asked
) -> None:
    """And the provider that refuses leaves the machine on, with word of it."""
    vast(monkeypatch, "13")
    settings("[machine]\nminutes = 0.001\nwithout_upload = true\n")
    run = ended(recipe)
    machine_stop.wish(run, "finished")
    until(lambda: "did not stop this machine" in (run.folder / "machine.log").read_text())
    assert SECRET not in (run.folder / "machine.log").read_text()
    assert [row[0] for row in provider] == ["PUT"]


def test_off_unless_wished(home: Path, recipe: Recipe) -> None:
    general = machine_wish.MachineSettings()
    run = store.create(recipe, "builtin")
    assert machine_wish.wished(run, general) == "never"
    assert machine_wish.wished(run, machine_wish.MachineSettings("ended")) == "ended"
    other = store.create(change(recipe, {"launch.stop_machine": "never"}), "builtin")
    assert machine_wish.wished(other, machine_wish.MachineSettings("ended")) == "never"
    machine_wish.wish(other, "finished")
    assert machine_wish.wished(other, general) == "finished"
    assert machine_wish.applies("finished", "finished") and not machine_wish.applies("finished", "failed")
    assert machine_wish.applies("ended", "lost") and not machine_wish.applies("never", "finished")


def test_which_machine_this_is(tmp_path: Path) -> None:
    files = tmp_path / "environ", tmp_path / "rp"
    files[0].write_bytes(b"CONTAINER_ID=77\0HF_TOKEN=hf_x\0CONTAINER_API_KEY=k\0")
    files[1].write_text('export RUNPOD_POD_ID="pod1"\nexport OTHER=1\n')
    assert rented.variables({}, files[:1]) == {"CONTAINER_ID": "77", "CONTAINER_API_KEY": "k"}
    assert rented.this(rented.variables({}, files[:1])) == rented.Rented("vast.ai", "77")
    assert rented.this(rented.variables({}, files[1:])) == rented.Rented("RunPod", "pod1")
    assert rented.this({"VAST_CONTAINERLABEL": "C.12"}) == rented.Rented("vast.ai", "12")
    for odd in ({"CONTAINER_ID": "77"}, {"RUNPOD_POD_ID": "--help"}, {"VAST_CONTAINERLABEL": "C./../1"}, {}):
        assert rented.this(odd) is None
    assert rented.Rented("RunPod", "x").keeps(Path("/proc")) and not rented.Rented("RunPod", "x").keeps(
        Path("/etc")
    )


def test_commands_show_it_choose_it_and_call_it_off(
    home: Path, recipe: Recipe, call: Callable[..., tuple[int, object, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    vast(monkeypatch)
    run = ended(recipe, "running")
    _, shown, _ = call("machine", "--json")
    assert shown["stop_after"] == "never" and shown["provider"] == "vast.ai"  # type: ignore[index]
    _, shown, said = call("machine", "--stop-after", "ended")
    assert "stopped 10 min after" in str(shown) and "goes on charging for the disk" in said
    assert machine_wish.wished(run, machine_wish.MachineSettings()) == "ended"
    machine_news.lock_path().parent.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loratui.runs.lock.is_held", lambda path: True)
        machine_news.announce(machine_news.Pending(run.id, "vast.ai", time.time() + 600))
        assert "MACHINE STOPS" in str(call("status")[1])
        assert "This machine (vast.ai) stops at" in call("runs")[2]
        assert "stays on" in call("keep")[2]
    assert machine_news.is_called_off()
