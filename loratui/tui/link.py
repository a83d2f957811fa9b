"""The link between the program and the person's eyes, as far as it is known."""

from __future__ import annotations

import os

VARIABLE = "LORATUI_SLOW"
"""Set to anything, as ``--slow`` does: what changes by itself is painted every five seconds, for links of a
few kilobytes a second. Keys answer at once all the same."""


def is_slow() -> bool:
    """Whether the person said that bytes are dear."""
    return bool(os.environ.get(VARIABLE))
