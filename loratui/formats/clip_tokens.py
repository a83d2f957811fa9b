"""How many tokens CLIP makes of a text: its byte-pair encoding over the shipped vocabulary, without torch."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import islice, pairwise
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"
VOCABULARY = Path(__file__).parents[1] / "trainer" / "assets" / "bpe_simple_vocab_16e6.txt.gz"

_CONTRACTIONS = ("'re", "'ve", "'ll", "'s", "'t", "'m", "'d")
_ASCII_WORDS = re.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[a-z]+|[0-9]|[^ \t-\ra-z0-9]+"
)


def byte_alphabet() -> list[str]:
    """The printable character that stands for each byte, in the order of CLIP's vocabulary
    (openai/CLIP clip/simple_tokenizer.py, ``bytes_to_unicode``)."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


@cache
def merges() -> tuple[tuple[str, str], ...]:
    """The pairs to join, most frequent first."""
    with gzip.open(VOCABULARY, "rt", encoding="utf-8") as file:
        # A fifth of the file; the rest of it is not even unpacked.
        pairs = (line.split() for line in islice(file, 1, 49152 - 256 - 2 + 1))
        return tuple((left, right) for left, right in pairs)


def vocabulary() -> dict[str, int]:
    """Entry to number, 49,408 of them."""
    alphabet = byte_alphabet()
    entries = [*alphabet, *(f"{letter}</w>" for letter in alphabet), *("".join(pair) for pair in merges())]
    return {entry: number for number, entry in enumerate([*entries, START, END])}


def count(text: str) -> int:
    """CLIP tokens of ``text`` without the marks of its start and end (75 of them fit into one prompt)."""
    return sum(_parts(word) for word in words(text))


def words(text: str) -> Iterator[str]:
    """What is encoded apart: runs of letters, single digits, runs of anything else, contractions."""
    text = unicodedata.normalize("NFC", text).lower()
    if text.isascii():
        yield from _ASCII_WORDS.findall(text)
        return
    at = 0
    while at < len(text):
        kind = _kind(text[at])
        end = at + 1
        special = next((mark for mark in (START, END, *_CONTRACTIONS) if text.startswith(mark, at)), "")
        if special:
            end = at + len(special)
        elif kind != "N":
            while end < len(text) and _kind(text[end]) == kind:
                end += 1
        if kind != "Z":
            yield text[at:end]
        at = end


def _kind(character: str) -> str:
    """L, N, Z for blanks, and P for the rest."""
    kind = unicodedata.category(character)[0]
    if character in "\t\n\v\f\r\x85" or kind == "Z":
        return "Z"
    return kind if kind in "LN" else "P"


@cache
def _ranks() -> dict[tuple[str, str], int]:
    return {pair: rank for rank, pair in enumerate(merges())}


@cache
def _letters() -> dict[int, str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    order = printable + [byte for byte in range(256) if byte not in printable]
    return dict(zip(order, byte_alphabet(), strict=True))


@lru_cache(maxsize=65536)
def _parts(word: str) -> int:
    """How many entries of the vocabulary a word comes to."""
    letters = _letters()
    parts = [letters[byte] for byte in word.encode("utf-8", "replace")]
    parts[-1] += "</w>"
    ranks = _ranks()
    while len(parts) > 1:
        best = min(pairwise(parts), key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        joined: list[str] = []
        for part in parts:
            # A pair just joined is longer than its left half and so cannot match again.
            if joined and (joined[-1], part) == best:
                joined[-1] += part
            else:
                joined.append(part)
        parts = joined
    return len(parts)
