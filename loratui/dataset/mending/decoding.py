"""Caption files in any encoding and of any number of lines, as one line of text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decoded:
    """The bytes of a caption file as text."""

    text: str
    encoding: str


def decode(data: bytes) -> Decoded:
    """Whatever encoding a caption is in: UTF-8, UTF-16 with its mark, else Windows' Western one, in which
    every byte is something. A mark in front goes."""
    for encoding in ("utf-8-sig", "utf-16"):
        if encoding == "utf-16" and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        try:
            return Decoded(data.decode(encoding), encoding)
        except UnicodeDecodeError:
            continue
    return Decoded(data.decode("cp1252", "replace"), "cp1252")


def one_line(text: str) -> str:
    """All lines with words, joined by commas."""
    lines = text.replace("\0", "").replace("\r", "\n").split("\n")
    return ", ".join(line.strip().strip(",").strip() for line in lines if line.strip(" \t,"))
