"""Another program run without its words: they could name a key."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

WITHIN = 60.0
"""Seconds a program may take."""


def run_quietly(argv: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a program to its end. Returns what went wrong in a word or two; empty when all is well."""
    try:
        done = subprocess.run(
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=WITHIN,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return type(error).__name__
    return f"exit code {done.returncode}" if done.returncode else ""
