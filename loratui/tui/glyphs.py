"""Every sign that is not ASCII, and what stands for it on terminals that cannot show it."""

from __future__ import annotations

import codecs
import locale
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One set of signs, each a single cell wide."""

    unicode: bool
    fine: str
    wrong: str
    unusual: str
    bar_full: str
    bar_rest: str
    more: str
    between: str
    running: str
    times: str
    becomes: str


UNICODE = Glyphs(True, "✓", "x", "!", "█", "░", "…", "·", "▶", "×", "→")
ASCII = Glyphs(False, "+", "x", "!", "#", "-", "~", "-", ">", "x", ">")


def choose(environment: Mapping[str, str], encoding: str) -> Glyphs:
    """ASCII where the locale is not UTF-8, on the Linux console, and where ``LORATUI_ASCII`` is set.

    ``LC_ALL=C`` counts as not UTF-8 even though Python itself then goes on in UTF-8 (PEP 540).
    """
    try:
        is_utf8 = codecs.lookup(encoding).name == "utf-8"
    except LookupError:
        is_utf8 = False
    forced = environment.get("LC_ALL", "")
    plain = bool(forced) and "utf" not in forced.lower()
    if environment.get("LORATUI_ASCII") or environment.get("TERM") == "linux" or plain or not is_utf8:
        return ASCII
    return UNICODE


@cache
def glyphs() -> Glyphs:
    """The signs for this terminal."""
    return choose(os.environ, locale.getpreferredencoding(False))
