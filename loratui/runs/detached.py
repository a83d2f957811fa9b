"""Modules of loratui run as processes of their own, which outlive whoever starts them."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from loratui import python_path
from loratui.runs.files import open_for_append


def start_apart(module: str, *arguments: str, log: Path) -> None:
    """Start ``python -m module arguments``; its words go to ``log``. Raises ``OSError``."""
    words = open_for_append(log)
    try:
        subprocess.Popen(
            python_path.own(module, *arguments),
            stdin=subprocess.DEVNULL,
            stdout=words,
            stderr=words,
            close_fds=True,
            start_new_session=True,
        )
    finally:
        os.close(words)
