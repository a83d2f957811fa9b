"""How this machine is reached from the computer a person sits at."""

from __future__ import annotations

import ipaddress
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loratui.tui.text import plain

SSH_PORT = "22"
"""Not said where it is the port."""


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
    return Machine(user, host, parts[3] if parts[3].isdecimal() else SSH_PORT)


def this_machine() -> Machine | None:
    """Where a person has to copy from; None when they sit at it."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "root" if os.getuid() == 0 else "USER"
    return machine(os.environ, user, socket.gethostname())


def scp_port(at: Machine) -> str:
    """scp's option for a port that is not the usual one, with a space before it."""
    return f" -P {at.port}" if at.port != SSH_PORT else ""


def bring(folder: Path, at: Machine | None) -> str:
    """What to type on one's own computer to bring a folder ``PICTURES`` here; empty without SSH."""
    if at is None:
        return ""
    return f"scp{scp_port(at)} -r PICTURES {quoted(f'{at.user}@{at.host}:{folder}/')}"


def quoted(text: str) -> str:
    """For a shell, on one line."""
    return shlex.quote(plain(text))
