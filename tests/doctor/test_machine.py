"""The machine around the GPU."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from loratui.doctor import gpus, hub, machine

GIB = 1 << 30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


MEMINFO = f"MemTotal: {64 * 1024 * 1024} kB\nMemAvailable: {60 * 1024 * 1024} kB\n"


@pytest.mark.parametrize(
    ("files", "limit", "used"),
    [
        ({}, None, 0),
        ({"sys/fs/cgroup/memory.max": "max"}, None, 0),
        ({"sys/fs/cgroup/memory.max": str(9 * GIB), "sys/fs/cgroup/memory.current": "5"}, 9 * GIB, 5),
        (
            {
                "proc/self/cgroup": "0::/pod/box\n",
                "sys/fs/cgroup/pod/box/memory.max": "max",
                "sys/fs/cgroup/pod/memory.max": str(4 * GIB),
                "sys/fs/cgroup/pod/memory.current": str(GIB),
            },
            4 * GIB,
            GIB,
        ),
        (
            {
                "proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/1\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
                "sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": str(2 * GIB),
                "sys/fs/cgroup/memory/docker/1/memory.usage_in_bytes": "7",
            },
            2 * GIB,
            7,
        ),
    ],
)
def test_the_limit_of_a_container(
    tmp_path: Path, files: dict[str, str], limit: int | None, used: int
) -> None:
    root = write(tmp_path, {"proc/meminfo": MEMINFO, **files})
    assert machine.cgroup_memory(root) == (limit, used)
    check = machine.memory(root)
    assert check.ok is (limit is None or limit - used >= machine.MEMORY_NEEDED)
    assert ("container's limit" in check.detail) is (limit is not None)


def test_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LORATUI_HOME", str(tmp_path / "not" / "yet"))
    assert str(tmp_path / "not" / "yet") in machine.disk({}).detail
    assert "LOST" in machine.disk({"RUNPOD_POD_ID": "x"}).detail
    monkeypatch.setattr(machine, "DISK_NEEDED", 1 << 60)
    check = machine.disk({})
    assert not check.ok and check.needed and "LORATUI_HOME" in check.fix


def test_shared_memory(tmp_path: Path) -> None:
    check = machine.shared_memory(tmp_path / "none")
    assert not check.ok and "max_data_loader_n_workers" in check.fix


@pytest.mark.parametrize(
    ("environment", "ok"),
    [
        ({"TERM": "xterm-256color", "LANG": "C.UTF-8"}, True),
        ({"TERM": "tmux-256color", "LC_ALL": "en_US.utf8", "TMUX": "/tmp/x"}, True),
        ({"TERM": "xterm", "LANG": "C"}, False),
        ({"TERM": "dumb", "LANG": "C.UTF-8"}, False),
        ({}, False),
    ],
)
def test_terminal(environment: dict[str, str], ok: bool) -> None:
    check = machine.terminal(environment)
    assert check.ok is ok and not (not check.ok and check.needed)


def test_clock() -> None:
    assert machine.clock(time.time()).ok
    assert machine.clock(None).ok
    behind = machine.clock(time.time() + 7200)
    assert not behind.ok and "behind" in behind.detail


def test_token_is_told_of_and_never_shown(tmp_path: Path) -> None:
    secret = "hf_secretsecret"
    assert not hub.token({"HF_HOME": str(tmp_path)}).ok
    (tmp_path / "token").write_text(secret)
    for environment in ({"HF_HOME": str(tmp_path)}, {"HF_TOKEN": secret}):
        check = hub.token(environment)
        assert check.ok and secret not in repr(check)


def test_a_hub_that_cannot_be_reached_is_said_calmly() -> None:
    address = "http://user:password@127.0.0.1:9"
    check, server_time = hub.reach({"HF_ENDPOINT": address}, timeout=2)
    assert (check.ok, check.needed, server_time) == (False, False, None)
    assert "not reachable" in check.detail and "password" not in repr(check)
    assert "HF_HUB_OFFLINE" in hub.reach({"HF_HUB_OFFLINE": "1"})[0].detail
    assert not hub.reach({"HF_ENDPOINT": "file:///etc"})[0].ok


SMI = "0, NVIDIA GeForce RTX 5090, 12.0, 32607, 20000, 570.86.10\n1, NVIDIA L4, 8.9, 23034, 0, 570.86.10\n"


def smi(folder: Path, text: str) -> None:
    path = folder / "nvidia-smi"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    smi(tmp_path, f"cat <<'END'\n{SMI}END")
    found = gpus.look()
    assert (found.driver_major, found.capabilities) == (570, [(12, 0), (8, 9)])
    checks = {check.name: check for check in gpus.checks(found)}
    assert checks["driver"].ok and checks["gpu.1"].ok
    assert not checks["gpu"].ok and not checks["gpu"].needed  # something else uses most of it
    assert "sm_120" in checks["gpu"].detail


def test_a_driver_that_does_not_tell_the_capability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    smi(tmp_path, 'case "$*" in *compute_cap*) exit 2;; esac; echo "0, Tesla T4, 15109, 3, 470.1"')
    found = gpus.look()
    assert (found.driver, found.gpus[0].name, found.capabilities) == ("470.1", "Tesla T4", [])


def test_a_driver_in_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}/usr/bin:/bin")
    smi(tmp_path, "echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18")
    checks = {check.name: check for check in gpus.checks(gpus.look())}
    assert "version mismatch" in checks["driver"].detail
    assert not checks["gpu"].ok
