"""How this machine is reached over SSH."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.runs.hardware.ssh import SshAddress, address, scp_in, scp_out


@pytest.mark.parametrize(
    ("connection", "line"),
    [
        ("192.0.2.7 50022 10.0.0.5 22", "scp me@gpu:/a/b.safetensors ."),
        ("192.0.2.7 50022 10.0.0.5 2222", "scp -P 2222 me@gpu:/a/b.safetensors ."),
        ("::1 50022 2a00:1450:4001::1 22", "scp 'me@[2a00:1450:4001::1]:/a/b.safetensors' ."),
        ("nonsense", ""),
        ("a b c d", ""),
        ("", ""),
    ],
)
def test_the_scp_line(connection: str, line: str) -> None:
    at = address({"SSH_CONNECTION": connection}, "me", "gpu")
    assert scp_out(Path("/a/b.safetensors"), at) == line


def test_a_rental_s_own_address_and_port_go_before_what_sshd_sees() -> None:
    inside = {"SSH_CONNECTION": "192.0.2.7 50022 172.18.0.2 22"}
    runpod = inside | {"RUNPOD_PUBLIC_IP": "203.0.113.9", "RUNPOD_TCP_PORT_22": "40113"}
    vast = inside | {"PUBLIC_IPADDR": "203.0.113.9", "VAST_TCP_PORT_22": "40113"}
    for environment in (runpod, vast):
        at = address(environment, "root", "abc123")
        assert scp_out(Path("/a/b.safetensors"), at) == "scp -P 40113 root@203.0.113.9:/a/b.safetensors ."


def test_names_with_blanks_are_quoted() -> None:
    at = SshAddress("me", "gpu", "22")
    assert scp_in(Path("/my work"), at) == "scp -r PICTURES 'me@gpu:/my work/'"
    assert scp_in(Path("/"), None) == ""
    assert scp_out(Path("/a b/it's.safetensors"), at) == """scp 'me@gpu:/a b/it'"'"'s.safetensors' ."""
