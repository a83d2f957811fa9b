"""How grave a line of a trainer's log is."""

from __future__ import annotations

import re
from typing import Literal

Level = Literal["", "warning", "error"]

_ERROR = re.compile(
    r"^\s*(?:error:|Traceback \(most recent call last\))"
    r"|(?:^|\s)(?:ERROR|CRITICAL|FATAL)(?:\s|:|$)"
    r"|^\s*(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt)(?::|$)",
)
_WARNING = re.compile(r"^\s*warning:|(?:^|\s)WARN(?:ING)?(?:\s|:|$)|\b[A-Z]\w*Warning:")


def level(line: str) -> Level:
    """By the marks that Python's logging, its tracebacks and warnings put into a line, rich's and ours."""
    if _ERROR.search(line):
        return "error"
    return "warning" if _WARNING.search(line) else ""
