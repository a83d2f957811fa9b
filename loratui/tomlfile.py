"""Reading TOML that a person wrote: every failure is a sentence that names the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from loratui.problems import Problem, UserError, refusal


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The TOML document in ``text``. Raises ``UserError`` with the place where it breaks."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            source,
            Problem(
                "", f"this is not valid TOML: {error}.", "Mend that line and try again.", "config_syntax"
            ),
        ) from None


def read_toml(path: Path) -> dict[str, Any]:
    """The TOML document in a file. Raises ``UserError`` when it is missing, unreadable or broken."""
    try:
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise refusal(path, "there is no such file.", "Check the path.", "config_missing") from None
    except UnicodeDecodeError as error:
        raise UserError(
            str(path),
            Problem("", f"byte {error.start} is not UTF-8 text.", "Save the file as UTF-8.", "encoding_read"),
        ) from None
    except OSError as error:
        reason = error.strerror or "unknown error"
        raise UserError(
            str(path), Problem("", f"it cannot be read: {reason}.", "Check the path and permissions.")
        ) from None
    return parse_toml(text, str(path))
