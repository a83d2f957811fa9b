"""From which size on a terminal has room for more."""

from __future__ import annotations

WIDE = 100
"""Columns."""
TALL = 30
"""Rows."""
