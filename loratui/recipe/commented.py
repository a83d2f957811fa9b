"""A recipe as TOML with a reason behind each value."""

from __future__ import annotations

import re
from collections.abc import Mapping

from loratui.recipe.document import Recipe
from loratui.recipe.toml import dumps

_WIDTH = 110
_KEY = re.compile(r"([A-Za-z0-9_]+) = ")
_OPEN = re.compile(r"\[\s*$")


def commented(recipe: Recipe, reasons: Mapping[str, str], head: str = "") -> str:
    """``reasons`` go by dotted key; ``head`` is the first line. Reads back as the same recipe."""
    lines = [f"# {head}", ""] if head else []
    section = ""
    for line in dumps(recipe).splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        found = _KEY.match(line)
        reason = " ".join(reasons.get(f"{section}.{found[1]}", "").split()) if found else ""
        if reason and not _OPEN.search(line) and '"""' not in line and len(line) + len(reason) + 4 <= _WIDTH:
            lines.append(f"{line}  # {reason}")
        elif reason and '"""' not in line:
            lines += [f"# {reason}", line]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"
