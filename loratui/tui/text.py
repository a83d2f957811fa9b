"""Numbers, times and foreign text as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap

from rich.cells import cell_len, chop_cells, set_cell_size

from loratui.problems import Problem
from loratui.runs.cleaning import clean_line
from loratui.tui.glyphs import glyphs

_LONG_WORD = 40


plain = clean_line
"""Text from outside on one line, with nothing in it that a terminal would obey."""


def clip(text: str, width: int) -> str:
    """At most ``width`` cells, of which a Chinese letter takes two; what was cut is marked."""
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)) + glyphs().more


def column(text: str, width: int) -> str:
    """Exactly ``width`` cells: cut, or filled up with blanks."""
    return set_cell_size(clip(text, width), width)


def rows(text: str, width: int) -> list[str]:
    """A text on rows of at most ``width`` cells, broken between words where that is possible."""
    if cell_len(text) == len(text):
        return wrap(text, width, break_on_hyphens=False)
    found: list[str] = []
    for word in text.split():
        joined = f"{found[-1]} {word}" if found else word
        if found and cell_len(joined) <= width:
            found[-1] = joined
        else:
            found += chop_cells(word, width)
    return found


Part = tuple[int, str]
"""How readily some words of a line are left out (0: never), and the words."""


def fitting(parts: Iterable[Part], width: int, between: str = "   ") -> str:
    """Those parts of a line that fit into ``width`` whole, in their order: what tells least goes first."""
    kept = [part for part in parts if part[1]]
    while cell_len(between.join(words for _, words in kept)) > width:
        least = max((rank, place) for place, (rank, _) in enumerate(kept))
        if not least[0]:
            break
        del kept[least[1]]
    return clip(between.join(words for _, words in kept), width)


def squeeze(text: str, width: int, most: int) -> str:
    """Text that takes at most ``most`` rows of ``width``: the longest words, which are paths, lose their
    beginning first; what is still too long ends where a row does."""
    width = max(20, width)
    while len(lines := rows(text, width)) > most:
        longest = max(text.split(), key=cell_len)
        if cell_len(longest) <= _LONG_WORD:
            last = clip(f"{lines[most - 1]} {lines[most]}", width)
            return " ".join([*lines[: most - 1], last])
        text = text.replace(longest, clip_path(longest, _LONG_WORD), 1)
    return text


def home_path(path: str | Path) -> str:
    """A path with the home folder as ``~``."""
    text, home = plain(str(path)), str(Path.home())
    return "~" + text[len(home) :] if home != "/" and text.startswith(home + "/") else text


def clip_path(path: str | Path, width: int) -> str:
    """The end of a path, which tells more than its beginning."""
    text = home_path(path)
    if cell_len(text) <= width:
        return text
    begun = max(0, len(text) - max(0, width - 1))
    while cell_len(text[begun:]) > max(0, width - 1):
        begun += 1
    return glyphs().more + text[begun:]


def clip_middle(text: str, width: int) -> str:
    """The beginning and the end of a name, where both tell it from others."""
    if cell_len(text) <= width:
        return text
    end = clip_path(text, max(1, width * 2 // 3))
    return set_cell_size(text, max(0, width - cell_len(end))) + end


def duration(seconds: float) -> str:
    """``45 s``, ``16 min``, ``3 h 20 min``: no finer than a person waits by."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours < 24 else f"{hours // 24} d {hours % 24} h"


def speed(seconds_per_step: float) -> str:
    """Steps a second where there are several, else seconds a step."""
    if seconds_per_step <= 0:
        return ""
    return f"{1 / seconds_per_step:.2f} it/s" if seconds_per_step < 2 else f"{seconds_per_step:.1f} s/it"


def loss(value: float | None, finite: bool = True) -> str:
    """A loss with three significant digits; the word ``nan`` where it is no number."""
    if not finite:
        return "nan"
    return "-" if value is None else f"{value:#.3g}"


def size(count: int) -> str:
    """Bytes of files and disks, in the decimal units that sellers and file managers show."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count} B"


def number(count: int, noun: str) -> str:
    """``1 picture``, ``24 pictures``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def sentence(problem: Problem) -> str:
    """A problem for the eyes: without its key, in one line, with a capital unless a name comes first."""
    text = plain(f"{problem.message} {problem.fix}".strip())
    first = text.partition(" ")[0]
    return text if not first.rstrip(",;.").replace("-", "").isalpha() else text[:1].upper() + text[1:]
