"""How this machine is reached over SSH from the computer a person sits at, and what copies files that way."""

from __future__ import annotations

import ipaddress
import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from loratui.runs.cleaning import clean_line

SSH_PORT = "22"
"""Not said where it is the port."""


@dataclass(frozen=True, slots=True)
class SshAddress:
    """This machine, as a person reaches it over SSH."""

    user: str
    host: str
    port: str


_MAPPED = (("RUNPOD_PUBLIC_IP", "RUNPOD_TCP_PORT_22"), ("PUBLIC_IPADDR", "VAST_TCP_PORT_22"))
"""Where a rental tells the address and the port that lead to a container's port 22: RunPod
(docs.runpod.io/pods/references/environment-variables), vast.ai (docs.vast.ai, docker environment)."""


def address(environment: Mapping[str, str], user: str, name: str) -> SshAddress | None:
    """The machine a person has logged in to; None when they sit at it. What a rental tells goes first: inside
    a container, sshd sees another port than the one reached from outside.

    ``SSH_CONNECTION`` is "client address, client port, server address, server port" (ssh(1)). The server's
    address is used where all the world can reach it, else the machine's ``name``: a private one is of no use
    elsewhere.
    """
    for address_name, port_name in _MAPPED:
        host, port = environment.get(address_name, ""), environment.get(port_name, "")
        if host and port.isdecimal():
            return SshAddress(user, host, port)
    parts = environment.get("SSH_CONNECTION", "").split()
    if len(parts) != 4:
        return None
    try:
        server = ipaddress.ip_address(parts[2])
    except ValueError:
        return None
    host = name or parts[2]
    if server.is_global:
        host = f"[{server}]" if server.version == 6 else str(server)
    return SshAddress(user, host, parts[3] if parts[3].isdecimal() else SSH_PORT)


def this_machine() -> SshAddress | None:
    """Where a person has to copy from; None when they sit at it."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = "root" if os.getuid() == 0 else "USER"
    return address(os.environ, user, socket.gethostname())


def scp_out(path: Path, at: SshAddress | None) -> str:
    """What to type on one's own computer to get a file from here; empty without SSH."""
    return f"scp{_scp_port(at)} {_remote(at, str(path))} ." if at else ""


def scp_in(folder: Path, at: SshAddress | None) -> str:
    """What to type on one's own computer to bring a folder ``PICTURES`` here; empty without SSH."""
    return f"scp{_scp_port(at)} -r PICTURES {_remote(at, f'{folder}/')}" if at else ""


def rsync_out(path: Path, at: SshAddress) -> str:
    """As ``scp_out``, but it goes on where a broken connection left off."""
    ssh = f" -e 'ssh -p {at.port}'" if at.port != SSH_PORT else ""
    return f"rsync -P{ssh} {_remote(at, str(path))} ."


def _scp_port(at: SshAddress) -> str:
    return f" -P {at.port}" if at.port != SSH_PORT else ""


def _remote(at: SshAddress, path: str) -> str:
    return shell_quoted(f"{at.user}@{at.host}:{path}")


def shell_quoted(text: str) -> str:
    """For a shell, on one line, with nothing in it that a terminal would obey."""
    return shlex.quote(clean_line(text))
