"""Commands called in this process: what they print, and their exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from loratui.cli.door import cli

Call = Callable[..., tuple[int, Any, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command: its exit code, its JSON object or its text, and what it narrated."""

    def run(*arguments: object) -> tuple[int, Any, str]:
        code = cli([str(argument) for argument in arguments], standalone_mode=False) or 0
        said = capsys.readouterr()
        return code, json.loads(said.out) if "--json" in arguments else said.out, said.err

    return run
