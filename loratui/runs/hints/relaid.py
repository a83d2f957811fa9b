"""A text laid out anew, one message a line: its lines were joined into one, its line breaks written as
``\\n``, all of it is indented or numbered, or an exception stands within somebody's sentence."""

from __future__ import annotations

import re
from itertools import groupby, pairwise

from loratui.runs.hints import look_words

EXCEPTION = r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Invalid|Died|NotFound)"
_RAISED = rf"{EXCEPTION}: (?=\S)"
# Line breaks as JSON, or Python's repr, writes them
_ESCAPES = {r"\n": "\n", r"\r": "\r", r"\t": "\t", r"\"": '"', r"\'": "'", "\\\\": "\\"}
_ESCAPE = re.compile(r"\\[nrt\"'\\]")
_ESCAPED = re.compile(r"""^\s*(?:[\[{(].{0,40}?)?b?["'].*\\n|\\n["'],?\s*$""", re.MULTILINE)
_STRING = re.compile(r"""^\s*(?:[\[{]\s*)?(?:"\w+":\s*)?b?["']|["']?[\],}]*\s*$""")
# A traceback whose lines were joined
_JOINED = re.compile(
    r'Traceback \(most recent call last\):? +\S|\S +File "[^"]+", line \d+|", line \d+, in \S+ +\S'
)
_BEFORE = re.compile(
    rf'(?<=\S) +(?=Traceback \(most recent|File "[^"]+", line \d+|{_RAISED}|During handling of the above'
    r"|The above exception"
    r"|(?:[\w.]+\.)?CalledProcessError: |ERROR: [A-Z]|steps: +\d+%)"
)
_FRAME_CODE = re.compile(r'(", line \d+, in (?:<\w+>|\w+)) +(?=\S)')
_GAP = re.compile(r"(?<=\S) {20,}(?=\S)")
_HEAD_CODE = re.compile(r"(Traceback \(most recent call last\):?) +(?=\S)")
_FRAME = re.compile(r'^ *(?=File "[^"]+", line \d+)')
_WHOLE = re.compile(rf" *(?:Traceback \(most recent|{_RAISED})")
# An exception within a line: in a person's sentence, a title, another program's line
_WITHIN = re.compile(
    rf"(?<![\w.])(?<!except )(?:{_RAISED}|{EXCEPTION} (?=for |['\"]|[Nn]o |[Cc]annot |not |module |object ))"
)
# A report of ComfyUI's, and of others that list an exception's class and message
_LISTED = re.compile(
    r"""[Ee]xception[ _][Tt]ype\W{1,8}(\w+)\W*\n.{0,8}[Ee]xception[ _][Mm]essage\W{1,6}?(?=['"\w\[])"""
)
# A mail's line break behind the words that a layer's name follows
_WRAPPED = re.compile(r"(size mismatch for)[ >]*\n[ >]*(?=\w)")
# A path that a box's edge broke
_BOXED_PATH = re.compile(
    r"^([│┃] (?:/|[A-Za-z]:[\\/])[^│┃\n]*?) ?[│┃] *\n[│┃] ([^│┃\s]*\.py:\d+ in )", re.MULTILINE
)
# A text that breaks off in the statement that raised
_RAISING = re.compile(r"^ {2,}raise (?:\w+\.)*([A-Z]\w*(?:Error|Exception|Timeout))\([^\"']*\Z", re.MULTILINE)
_NUMBERED = re.compile(r"^\s*(\d{1,6})(?:[:|.]|\s)\s?")


def laid_out(text: str) -> str:
    """The text with one message a line, as far as that can be told."""
    if _ESCAPED.search(text):
        text = "\n".join(map(_unescaped, text.split("\n")))
    if raising := _RAISING.search(text.rstrip()):
        text = f"{text.rstrip()}\n{raising[1]}: ..."
    text = _BOXED_PATH.sub(r"\1\2", text)
    text = _WRAPPED.sub(r"\1 ", _LISTED.sub(r"\n\1: ", text))
    lines = _without_numbers(text.split("\n"))
    return "\n".join(part for line in _dedented(lines) for part in _parts(line))


def _unescaped(line: str) -> str:
    if r"\n" not in line and r"\"" not in line:
        return line
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], _STRING.sub("", line))


def _without_numbers(lines: list[str]) -> list[str]:
    """Without the numbers an editor put before each line."""
    found = [_NUMBERED.match(line) for line in lines if line.strip()]
    numbers = [int(number[1]) for number in found if number]
    if len(numbers) < max(3, len(found)) or any(b - a != 1 for a, b in pairwise(numbers)):
        return lines
    return [_NUMBERED.sub("", line) for line in lines]


def _dedented(lines: list[str]) -> list[str]:
    """Blocks of indented lines with the indentation that all of a block have taken away."""
    result: list[str] = []
    for is_indented, group in groupby(lines, key=lambda line: line[:1] == " " or not line.strip()):
        block = list(group)
        if is_indented and any(_WHOLE.match(line) for line in block):
            depth = min((len(line) - len(line.lstrip(" ")) for line in block if line.strip()), default=0)
            block = [line[depth:] for line in block]
        result += block
    return result


def _parts(line: str) -> list[str]:
    if _JOINED.search(line):
        line = _GAP.sub("\n    ", _BEFORE.sub("\n", line))
        line = _HEAD_CODE.sub(r"\1\n    ", _FRAME_CODE.sub(r"\1\n    ", line))
        return [_FRAME.sub("  ", part) for part in line.split("\n")]
    within = _WITHIN.search(line, 1) if line[:4].strip() and not _WITHIN.match(line) else None
    if within and not look_words.is_no_failure(line[: within.end()]) and not look_words.is_own(line):
        raised = line[within.start() :]
        return [line, "", raised if ": " in within[0] else raised.replace(" ", ": ", 1)]
    if (at := line.find(" ERROR: ")) > 0:
        return [line[:at], line[at + 1 :]]
    return [line]
