"""Lines to copy: how a LoRA file gets to another computer, and what else can be done with it."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from loratui import builtin_support
from loratui.tui.text import plain

_SSH_PORT = "22"


@dataclass(frozen=True, slots=True)
class Machine:
    """This machine, as a person reaches it over SSH."""

    user: str
    host: str
    port: str


_MAPPED = (("RUNPOD_PUBLIC_IP", "RUNPOD_TCP_PORT_22"), ("PUBLIC_IPADDR", "VAST_TCP_PORT_22"))
"""Where a rental tells the address and the port that lead to a container's port 22: RunPod
(docs.runpod.io/pods/references/environment-variables), vast.ai (docs.vast.ai, docker environment)."""


def machine(environment: Mapping[str, str], user: str, name: str) -> Machine | None:
    """The machine a person has logged in to; None when they sit at it. What a rental tells goes first: inside
    a container, sshd sees another port than the one reached from outside.

    ``SSH_CONNECTION`` is "client address, client port, server address, server port" (ssh(1)). The server's
    address is used where all the world can reach it, else the machine's ``name``: a private one is of no use
    elsewhere.
    """
    for address_name, port_name in _MAPPED:
        host, port = environment.get(address_name, ""), environment.get(port_name, "")
        if host and port.isdecimal():
            return Machine(user, host, port)
    parts = environment.get("SSH_CONNECTION", "").split()
    if len(parts) != 4:
        return None
    try:
        address = ipaddress.ip_address(parts[2])
    except ValueError:
        return None
    host = name or parts[2]
    if address.is_global:
        host = f"[{address}]" if address.version == 6 else str(address)
    return Machine(user, host, parts[3] if parts[3].isdecimal() else _SSH_PORT)


def scp(path: Path, at: Machine | None) -> str:
    """What to type on one's own computer to get the file; empty without SSH."""
    if at is None:
        return ""
    port = f" -P {at.port}" if at.port != _SSH_PORT else ""
    return f"scp{port} {quoted(f'{at.user}@{at.host}:{path}')} ."


def other_ways(path: Path, at: Machine | None, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """(what for, the line to type), for when scp will not do."""
    if at is not None:
        ssh = f" -e 'ssh -p {at.port}'" if at.port != _SSH_PORT else ""
        line = f"rsync -P{ssh} {quoted(f'{at.user}@{at.host}:{path}')} ."
        yield "there: goes on where a broken connection left off", line
    if "RUNPOD_POD_ID" in environment:
        yield "here, without SSH: prints a code to receive it with", f"runpodctl send {beside(path)}"


def commands(path: Path, run_id: str, base: str, family: str | None) -> Iterator[tuple[str, str]]:
    """(what for, the line to type in the file's folder), for what comes after training."""
    lora = beside(path)
    model = quoted(base) if base.endswith(".safetensors") else "MODEL.safetensors"
    if family is None or family in builtin_support.FAMILIES:
        yield (
            "pictures of all checkpoints side by side, to choose one",
            f"loratui lora try --run {quoted(run_id)} -o sheet.png",
        )
        merged = beside(path, "-merged")
        yield "into a checkpoint, for programs without LoRA", f"loratui lora merge {model} {lora} -o {merged}"
        renamed = beside(path, "-diffusers")
        yield "in the names of diffusers and peft", f"loratui lora convert {lora} -o {renamed}"
    if base:
        yield "its exact strength on the base model", f"loratui lora verify {lora} --base {quoted(base)}"
    yield (
        "to the Hugging Face hub; shows first, sends nothing",
        f"loratui lora upload {lora} --run {quoted(run_id)} --repo OWNER/NAME --dry-run",
    )


def strip(path: Path) -> str:
    """The line that writes a copy without what the metadata gives away."""
    return f"loratui lora info {beside(path)} --strip {beside(path, '-stripped')}"


def beside(path: Path, ending: str = "") -> str:
    """The file's name, or one like it, for a command in its folder."""
    name = f"{path.stem}{ending}{path.suffix}"
    return quoted(f"./{name}" if name.startswith("-") else name)


def quoted(text: str) -> str:
    """For a shell, on one line."""
    return shlex.quote(plain(text))
