"""lr_scheduler_args as values. No torch."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any


def scheduler_arguments(texts: Sequence[str] | None) -> Mapping[str, Any]:
    """The ``key=value`` arguments by name, values as Python reads them (sd-scripts
    library/train_util.py:5288-5291). Raises ``ValueError`` naming one that is not of that form."""
    found = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        try:
            found[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            equals = ""
        if not equals:
            raise ValueError(text)
    return found
