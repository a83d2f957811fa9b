"""Names of files in a set as text: cut where sd-scripts cuts them, without a ``Path`` for each."""

from __future__ import annotations

import os


def split_suffix(name: str) -> tuple[str, str]:
    """``("10_hero/a", ".png")``, as ``os.path.splitext`` has it, by which sd-scripts finds captions: a name
    that is all suffix, as ``.png``, is a stem without one."""
    return os.path.splitext(name)  # noqa: PTH122


def stem_of(name: str) -> str:
    """The name without its suffix; folders before it stay."""
    return split_suffix(name)[0]


def suffix_of(name: str) -> str:
    """The suffix with its dot, or nothing."""
    return split_suffix(name)[1]


def folder_of(name: str) -> str:
    """The folders before the name, or nothing."""
    return os.path.dirname(name)  # noqa: PTH120


def last_part(name: str) -> str:
    """The name without folders before it."""
    return name.rpartition("/")[2]
