"""The rented machine loratui runs on, and how it is stopped: RunPod and vast.ai. Stopped only; nothing here
can terminate or destroy one.

RunPod: every pod has ``runpodctl`` with a key of its own (docs.runpod.io/runpodctl). Its ``stop pod ID``
(docs.runpod.io/runpodctl/reference/runpodctl-stop-pod) is ``pod stop ID`` in newer ones, which still know the
old words (runpod/runpodctl cmd/legacy/legacy.go). Without it, ``POST /v1/pods/ID/stop`` of rest.runpod.io
(docs.runpod.io/api-reference/pods/POST/pods/podId/stop).
vast.ai: ``PUT /api/v0/instances/ID/`` with ``{"state": "stopped"}``
(docs.vast.ai/api-reference/instances/manage-instance) and the instance's own CONTAINER_API_KEY
(docs.vast.ai/guides/instances/docker-environment); failing that ``vastai stop instance ID``, which takes the
key from VAST_API_KEY (docs.vast.ai/cli/authentication).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from loratui.runs import web
from loratui.runs.quiet_command import run_quietly

_VARIABLES = frozenset(
    {"RUNPOD_POD_ID", "RUNPOD_API_KEY", "CONTAINER_ID", "CONTAINER_API_KEY", "VAST_CONTAINERLABEL"}
)
_FILES = (Path("/proc/1/environ"), Path("/etc/rp_environment"), Path("/etc/environment"))
"""Where a container's own variables are when a login over SSH has not got them."""
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_ENTRY = re.compile(r"(?:export\s+)?([A-Z_]+)=(.*)")

Provider = Literal["RunPod", "vast.ai"]


@dataclass(frozen=True, slots=True)
class Rented:
    """This machine, as its provider knows it."""

    provider: Provider
    id: str

    @property
    def kept(self) -> str:
        """What a stop leaves, what it takes, what it still costs (docs.runpod.io/pods/storage,
        docs.vast.ai/cli/reference/stop-instance)."""
        if self.provider == "RunPod":
            return (
                "Kept: /workspace. Gone: all else on the pod. RunPod goes on charging for the disk (a volume"
                " disk about twice as much as while it runs) until you terminate the pod."
            )
        return (
            "Kept: the whole disk. vast.ai goes on charging for the disk until you destroy the instance,"
            " and may give its GPU to somebody else."
        )

    def keeps(self, path: Path) -> bool:
        """Whether what lies there outlives a stop: on RunPod, only what is on a volume mounted into the
        container."""
        if self.provider == "vast.ai":
            return True
        try:
            return path.stat().st_dev != Path("/").stat().st_dev
        except OSError:
            return False


def variables(
    environment: Mapping[str, str] = os.environ, files: tuple[Path, ...] = _FILES
) -> Mapping[str, str]:
    """What the provider tells this machine about itself: from the environment, else from the container's."""
    found: dict[str, str] = {}
    for path in reversed(files):
        try:
            text = path.read_bytes()[: 1 << 20].decode("utf-8", "replace")
        except OSError:
            continue
        for line in text.replace("\0", "\n").splitlines():
            entry = _ENTRY.fullmatch(line.strip())
            if entry and entry[1] in _VARIABLES:
                found[entry[1]] = _unquoted(entry[2])
    return found | {name: value for name, value in environment.items() if name in _VARIABLES and value}


def _unquoted(text: str) -> str:
    try:
        return "".join(shlex.split(text))
    except ValueError:
        return text


def this(known: Mapping[str, str] | None = None) -> Rented | None:
    """The rented machine this is; None where it is none that can be stopped from inside."""
    known = variables() if known is None else known
    if _ID.fullmatch(pod := known.get("RUNPOD_POD_ID", "")):
        return Rented("RunPod", pod)
    instance = known.get("CONTAINER_ID", "") or known.get("VAST_CONTAINERLABEL", "").removeprefix("C.")
    vast = "VAST_CONTAINERLABEL" in known or "CONTAINER_API_KEY" in known
    return Rented("vast.ai", instance) if vast and instance.isdecimal() else None


def stop(machine: Rented, known: Mapping[str, str] | None = None) -> str:
    """Ask the provider to stop this machine. Returns what went wrong, without any key; empty when it has
    agreed. ``LORATUI_RUNPOD_URL`` and ``LORATUI_VAST_URL`` name other servers than theirs."""
    known = variables() if known is None else known
    ways = _runpod if machine.provider == "RunPod" else _vast
    troubles = []
    for name, way in ways(machine.id, known):
        trouble = way()
        if not trouble:
            return ""
        troubles.append(f"{name}: {trouble}")
    return "; ".join(troubles)


Ways = list[tuple[str, Callable[[], str]]]


def _runpod(pod: str, known: Mapping[str, str]) -> Ways:
    base = os.environ.get("LORATUI_RUNPOD_URL") or "https://rest.runpod.io/v1"
    return [
        ("runpodctl stop pod", lambda: _command(["runpodctl", "stop", "pod", pod])),
        ("runpodctl pod stop", lambda: _command(["runpodctl", "pod", "stop", pod])),
        (
            "RunPod",
            lambda: _request("POST", f"{base}/pods/{pod}/stop", b"", known.get("RUNPOD_API_KEY", "")),
        ),
    ]


def _vast(instance: str, known: Mapping[str, str]) -> Ways:
    base = os.environ.get("LORATUI_VAST_URL") or "https://console.vast.ai"
    url, key = f"{base}/api/v0/instances/{instance}/", known.get("CONTAINER_API_KEY", "")
    own = {"VAST_API_KEY": key} if key else {}
    return [
        ("vast.ai", lambda: _request("PUT", url, b'{"state": "stopped"}', key)),
        ("vastai stop instance", lambda: _command(["vastai", "stop", "instance", instance], own)),
    ]


def _request(method: str, url: str, data: bytes, key: str) -> str:
    if not key:
        return "this machine has no key of its own"
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    try:
        answer = web.ask(method, url, data, headers)
    except web.RefusedError as error:
        return str(error)
    try:
        said = json.loads(answer or b"{}")
    except ValueError:
        return ""
    return "it refused" if isinstance(said, dict) and said.get("success") is False else ""


def _command(argv: list[str], more: Mapping[str, str] | None = None) -> str:
    """Run a provider's program. Returns what went wrong; empty when all is well."""
    if shutil.which(argv[0]) is None:
        return "not installed"
    return run_quietly(argv, {**os.environ, **(more or {})})
