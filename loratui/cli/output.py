"""How commands speak: data to standard output, narration to standard error."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, NoReturn

import click
import msgspec

from loratui.problems import UserError

_CONTROLS = {code: None for code in [*range(0x20), *range(0x7F, 0xA0)] if code != 0x0A}


def plain(text: str) -> str:
    """Text from outside without control bytes, which a terminal would obey, and with the bytes of a
    file name that is no UTF-8 written as ``\\udcXX``."""
    return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode()


def say(line: str) -> None:
    """A line of narration."""
    click.echo(plain(line), err=True)


def data(line: str) -> None:
    """A line of data."""
    click.echo(plain(line))


def print_json(values: Mapping[str, Any]) -> None:
    """One JSON object, indented, for programs and for eyes."""
    encoded = msgspec.json.encode(_encodable(values))
    click.echo(msgspec.json.format(encoded, indent=2).decode())


def _encodable(value: Any) -> Any:
    """The same values with every text in valid UTF-8."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case Mapping():
            return {_encodable(key): _encodable(item) for key, item in value.items()}
        case list() | tuple():
            return [_encodable(item) for item in value]
        case _:
            return value


def fail(error: UserError) -> NoReturn:
    """Say what is wrong and end with exit code 1."""
    if "--json" in sys.argv:
        print_json(
            {
                "verdict": "refused",
                "source": error.source,
                "problems": [
                    {"key": problem.key, "message": problem.message, "fix": problem.fix}
                    for problem in error.problems
                ],
            }
        )
    for line in str(error).splitlines():
        say(f"loratui: {line}")
    sys.exit(1)
