"""sd-scripts' requirements.txt against what is installed, by names and exact versions alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_LINE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*(?:==\s*([A-Za-z0-9.+!_-]+))?")
_INSTEAD = {"opencv-python": ("opencv-python-headless", "opencv-contrib-python")}
"""Packages that hold the same module under another name."""


def read(path: Path) -> dict[str, str]:
    """Names of packages and the version asked for, empty for any; empty when there is no such file. Options,
    addresses and the editable install of the checkout itself are passed over."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    wanted = {}
    for line in lines:
        text = line.partition("#")[0].strip()
        found = _LINE.match(text)
        if text and found and not text.startswith("-") and "://" not in text:
            wanted[normal(found.group(1))] = found.group(2) or ""
    return wanted


def packages(path: Path) -> list[str]:
    """All names worth asking a Python for."""
    names = list(read(path))
    return names + [other for name in names for other in _INSTEAD.get(name, ())]


def normal(name: str) -> str:
    """A package's name as the index writes it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def missing(path: Path, installed: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """What is asked for and not installed, and what is installed in another version."""
    there = {normal(name): version for name, version in installed.items()}
    absent, other = [], []
    for name, version in read(path).items():
        if name in there:
            if version and there[name].partition("+")[0] != version:
                other.append(f"{name} {there[name]} for {version}")
        elif not any(instead in there for instead in _INSTEAD.get(name, ())):
            absent.append(name)
    return absent, other
