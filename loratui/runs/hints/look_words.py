"""How people and programs tell of a failure, and of what is none: presets/second_look.toml."""

from __future__ import annotations

import re
import tomllib
from functools import cache

import msgspec

from loratui import places
from loratui.runs.hints.patterns import union


class Words(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table: regular expressions by what they tell."""

    no_failure: tuple[str, ...]
    own_words: tuple[str, ...]
    failure_words: tuple[str, ...]
    failures: tuple[str, ...]
    messages: tuple[str, ...]
    half_known: tuple[str, ...]
    by_a_program: tuple[str, ...]


@cache
def _words() -> Words:
    text = (places.presets_folder() / "second_look.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Words)


@cache
def _any_of(name: str) -> re.Pattern[str]:
    return union(f"(?i:{part[4:]})" if part.startswith("(?i)") else part for part in getattr(_words(), name))


def is_no_failure(line: str) -> bool:
    """It tells of no failure, whatever words it holds."""
    return _any_of("no_failure").search(line) is not None


def is_own(line: str) -> bool:
    """Somebody's own words: a caption, a prompt; or part of a box."""
    return _any_of("own_words").match(line) is not None


def says_no(line: str) -> bool:
    """It may tell of something that went wrong."""
    return _any_of("failure_words").search(line) is not None


def fails(line: str) -> bool:
    """It tells of something that went wrong."""
    return _any_of("failures").search(line) is not None


def is_message(line: str) -> bool:
    """It begins as only an exception's message does."""
    return _any_of("messages").match(line.lstrip("\"'` -*")) is not None


def is_half_known(line: str) -> bool:
    """It begins as a message does, and as other lines may."""
    return _any_of("half_known").match(line.lstrip('"` -*')) is not None


def by_a_program(line: str) -> str:
    """The message that a program tells in a line of its own; empty for none."""
    found = _any_of("by_a_program").search(line)
    return line[found.end() :] if found else ""
