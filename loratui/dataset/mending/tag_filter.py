"""A filter language over pictures and captions, after TagGUI's: ``tag:red hair AND NOT tokens:>75``.

::

    tag:red hair        one of its tags is this ("_" and blanks are alike, * and ? stand for anything)
    first:ohwx          its first tag is this
    caption:word        the caption holds this text
    missing:            it has no caption, or an empty one; missing:red hair: it lacks this tag
    tokens:>75          CLIP tokens      tags:<5   number of tags      (= != < <= > >=)
    folder:10_hero      it lies in this folder        name:IMG_*   its file is called this
    word                the caption holds this text

AND, OR, NOT in capitals, and parentheses. Two terms without a word between must both hold. A value goes on
to the next of these words, to a parenthesis or to the next key; "quotes" hold it together.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from loratui.dataset.mending.entries import Entry
from loratui.problems import Problem, UserError, nearest

KEYS = ("tag", "first", "caption", "missing", "tokens", "tags", "folder", "name")
_NUMBERS = ("tokens", "tags")
_COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class Term:
    """One key and its value; for numbers ``comparison`` says how they are compared."""

    key: str
    value: str
    comparison: str = ""

    def __str__(self) -> str:
        value = self.value
        if not self.comparison and value:
            value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{self.key}:{self.comparison}{value}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    of: Filter

    def __str__(self) -> str:
        return f"NOT {_inside(self.of)}"


@dataclass(frozen=True, slots=True)
class And:
    """All of them."""

    of: tuple[Filter, ...]

    def __str__(self) -> str:
        return " AND ".join(map(_inside, self.of))


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them."""

    of: tuple[Filter, ...]

    def __str__(self) -> str:
        return " OR ".join(map(_inside, self.of))


Filter = Term | Not | And | Or


def _inside(part: Filter) -> str:
    return str(part) if isinstance(part, Term | Not) else f"({part})"


def parse(text: str) -> Filter:
    """Read a filter. Raises ``UserError`` that shows the place where it cannot be read."""
    return _Parser(text).parse()


def fits(wanted: Filter, entry: Entry) -> bool:
    """Whether a picture is one of those meant."""
    match wanted:
        case Not(part):
            return not fits(part, entry)
        case And(parts):
            return all(fits(part, entry) for part in parts)
        case Or(parts):
            return any(fits(part, entry) for part in parts)
        case Term():
            return _term_fits(wanted, entry)


def same_tag(tag: str) -> str:
    """What two spellings of one tag have in common: case aside, ``_`` and blanks alike."""
    return " ".join(tag.replace("_", " ").casefold().split())


def tag_matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a tag is the one meant, with ``*`` and ``?`` for anything. Brackets are brackets."""
    wanted = same_tag(pattern)
    if not any(sign in wanted for sign in "*?"):
        return lambda tag: same_tag(tag) == wanted
    compiled = re.compile(fnmatch.translate(wanted.replace("[", "[[]")))
    return lambda tag: compiled.match(same_tag(tag)) is not None


def _term_fits(term: Term, entry: Entry) -> bool:
    match term.key:
        case "tag":
            return any(map(tag_matcher(term.value), entry.tags))
        case "first":
            return bool(entry.tags) and tag_matcher(term.value)(entry.tags[0])
        case "missing":
            return not any(map(tag_matcher(term.value), entry.tags)) if term.value else not entry.text
        case "caption":
            return term.value.casefold() in entry.text.casefold()
        case "folder":
            whole = tag_matcher(term.value)
            return whole(entry.folder) or any(map(whole, entry.folder.split("/")))
        case "name":
            named = tag_matcher(term.value)
            return named(entry.name) or named(entry.name.rpartition("/")[2]) or named(entry.stem)
        case _:
            number = entry.tokens if term.key == "tokens" else len(entry.tags)
            return _COMPARISONS[term.comparison](number, int(term.value))


_TOKEN = re.compile(
    r"(?P<blank>\s+)"
    r"|(?P<open>\()|(?P<close>\))"
    r'|(?P<quoted>"(?:[^"\\]|\\.)*")'
    r"|(?P<key>[A-Za-z]+):"
    r"""|(?P<word>[^\s()"](?:[^\s()"]|\([^\s()"]*\))*)"""
)
_DEEPEST = 50
_OPERATORS = ("AND", "OR", "NOT")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    """Recursive descent: OR binds least, then AND, then NOT."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._cut())
        self._at = self._depth = 0

    def parse(self) -> Filter:
        if self._next.kind == "end":
            raise self._error("the filter is empty.", "Write for example: tag:red hair", 0)
        found = self._or()
        if self._next.kind != "end":
            raise self._error("this parenthesis was never opened.", 'Write tags that hold one in "quotes".')
        return found

    def _cut(self) -> list[_Token]:
        tokens: list[_Token] = []
        at = 0
        while at < len(self._text):
            found = _TOKEN.match(self._text, at)
            if found is None:
                raise self._error("this quote is never closed.", 'Put a " behind the value.', at)
            kind = found.lastgroup or ""
            text = found[kind]
            if kind == "key" and text not in KEYS:
                if tokens and tokens[-1].kind in ("key", "word"):
                    kind, text = "word", found[0]  # a colon inside a value: tag:re:zero
                else:
                    known = ", ".join(f"{key}:" for key in KEYS)
                    raise self._error(
                        f"{text}: is no key of a filter.",
                        f"{nearest(text, KEYS)} There are {known}".strip(),
                        at,
                    )
            elif kind == "word" and text in _OPERATORS:
                kind = text
            tokens.append(_Token(kind, text, at))
            at = found.end()
        return [*tokens, _Token("end", "", len(self._text))]

    @property
    def _next(self) -> _Token:
        while self._tokens[self._at].kind == "blank":
            self._at += 1
        return self._tokens[self._at]

    def _take(self) -> _Token:
        token = self._next
        self._at += 1
        return token

    def _or(self) -> Filter:
        parts = [self._and()]
        while self._next.kind == "OR":
            self._take()
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Filter:
        parts = [self._not()]
        while self._next.kind not in ("OR", "close", "end"):
            if self._next.kind == "AND":
                self._take()
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Filter:
        token = self._next
        if token.kind != "NOT":
            return self._atom()
        self._take()
        self._go_deeper(token)
        found = Not(self._not())
        self._depth -= 1
        return found

    def _atom(self) -> Filter:
        token = self._next
        if token.kind == "open":
            self._take()
            self._go_deeper(token)
            inner = self._or()
            if self._next.kind != "close":
                raise self._error("this parenthesis is never closed.", "Put a ) behind it.", token.at)
            self._take()
            self._depth -= 1
            return inner
        if token.kind == "key":
            self._take()
            return self._value(token)
        if token.kind in ("word", "quoted"):
            words = self._words()
            if not words:
                raise self._error("these quotes are empty.", "Write a word of the caption.", token.at)
            return Term("caption", words)
        what = f"{token.text} stands alone" if token.text else "something is missing"
        raise self._error(f"{what}: here a term is wanted.", "Write for example: tag:red hair", token.at)

    def _go_deeper(self, token: _Token) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error("this is nested too deeply.", "Write it with fewer parentheses.", token.at)

    def _value(self, key: _Token) -> Term:
        at = self._tokens[self._at].at
        value = self._words()
        if key.text not in _NUMBERS:
            if not value and key.text != "missing":
                raise self._error(f"{key.text}: has no value.", f"Write for example: {key.text}:red hair", at)
            return Term(key.text, value)
        bare = value.replace(" ", "")
        comparison = next((sign for sign in _COMPARISONS if bare.startswith(sign)), "")
        number = bare.removeprefix(comparison)
        if not (number.isascii() and number.isdecimal() and len(number) < 10):
            raise self._error(f"{value or 'nothing'} is no number.", f"Write for example: {key.text}:>75", at)
        return Term(key.text, str(int(number)), comparison or "=")

    def _words(self) -> str:
        """Words up to whatever begins something else. Blanks inside stay, for a tag may hold two."""
        parts: list[str] = []
        if self._next.kind == "quoted":
            text = self._take().text[1:-1]
            return re.sub(r"\\(.)", r"\1", text)
        while self._next.kind == "word":
            parts.append(self._take().text)
            while self._tokens[self._at].kind == "word":  # a colon in the middle
                parts[-1] += self._take().text
        return " ".join(parts)

    def _error(self, message: str, fix: str, at: int | None = None) -> UserError:
        column = self._next.at if at is None else at
        shown = "".join(letter if letter.isprintable() else "?" for letter in self._text)
        pointed = f"column {column + 1}: {message}\n  {shown}\n  {' ' * column}^\n "
        return UserError("filter", Problem("", pointed, fix))
