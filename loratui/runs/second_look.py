"""A text in which no cause stood as a trainer prints it, laid out anew: its lines were joined into one, its
line breaks written as ``\\n``, all of it is indented, or somebody tells of the error within a sentence."""

from __future__ import annotations

import re
from collections import deque
from itertools import groupby, pairwise

from loratui.events import Hint
from loratui.runs import hints
from loratui.runs.cleaning import clean

_KEPT = 1 << 18
"""Bytes of a log's end that are looked at."""

_EXCEPTION = r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Invalid|Died|NotFound)"
_RAISED = rf"{_EXCEPTION}: (?=\S)"
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
# A person's sentence, a title, an item of a list
_IN_WORDS = re.compile(
    r"^.{0,200}?(?:\b(?:[Ee]rrors?|ERROR|[Ee]xceptions?|[Mm]essage|[Ff]ail(?:s|ed|ure)?|gets?|got|getting|gives?"
    r"|throws?|says?|see|with|by|following|because|due to|is|this|issue|[Bb]ug|BUG|[Tt]itle)\b\W{1,6}"
    rf"|\d[.)]\W{{1,6}}|[^\x00-\x7f]\W{{0,6}})({_RAISED}.*)$"
    rf"|^(?:[\W_]{{1,8}}|(?!Caption|Prompt)[A-Z][\w .,()-]{{2,60}}: )({_RAISED}.*)$"
)
_BY_A_PROGRAM = re.compile(
    r"^(?!\s*(?:caption|prompt|class_tokens|image_dir)\b).{0,160}?\b"
    r"(?:[Ee]xception|EXCEPTION|[Ee]rror|ERROR|[Ff]ailed|[Ff]ailure)\b[^:{}]{0,60}: (?!https?:)(\S.{7,})$"
)
# How a message begins that needs no class to be known
_MESSAGE = re.compile(
    r"\W{0,3}((?:CUDA (?:error|out of memory)|CUBLAS_STATUS|CUDNN_STATUS|Can't load tokenizer"
    r"|Torch not compiled|mat1 and mat2 |Expected all tensors|Unable to load weights"
    r"|(?:fp|bf)16 mixed precision requires).{6,})$"
)
# and one that other lines may begin with, too
_HALF_KNOWN = re.compile(
    r"\W{0,3}((?:cuDNN |Can't load |\[(?:Errno|WinError) \d+\]|No module named '|cannot import name '"
    r"|size mismatch for |expected (?:str, bytes|scalar type)|'\w+' object (?:has no attribute|is not)"
    r"|[Tt]he size of tensor).{6,})$"
)
# A person's own words, and rich's box
_USER_TEXT = re.compile(
    r"[│┃]|\W*(?:caption|prompt|negative_prompt|class_tokens|image_dir|metadata_file)\b", re.I
)
_CLASS = re.compile(_RAISED)
_NO_FAILURE = re.compile(
    r"^\[?[WI]\d{4}|^\[?[WI]\b|^bin |CUDA SETUP: |^\S+\.py:\d+|NOTE|INFO|You are using |[Ll]oading"
    r"|[Ww]arning|WARN|deprecat|[Pp]roceeding|[Ss]kipp|[Ff]all(?:ing)? ?back|[Ii]gnor|[Dd]isabl"
    r"|instead|will not"
)
_SAYS_NO = re.compile(
    r"\b(?:errors?|fail(?:s|ed|ure)?|not|no|cannot|can't|couldn't|doesn't|unable|invalid|missing|must|out of"
    r"|requires?|unknown|unexpected|unsupported|denied|refused|killed|crashed|expected|corrupt(?:ed)?|mismatch\w*|before"
    r"|zero|nan|mutable|undefined|unrecognized)\b",
    re.IGNORECASE,
)
_FEW_LINES = 4
_TOLD_AT_MOST = 60
_NUMBERED = re.compile(r"^\s*(\d{1,6})(?:[:|.]|\s)\s?")


def laid_out(text: str) -> str:
    """The text with one message a line, as far as that can be told."""
    if _ESCAPED.search(text):
        text = "\n".join(map(_unescaped, text.split("\n")))
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
    if words := _IN_WORDS.match(line):
        return [line, "", words[1] or words[2]]
    if (at := line.find(" ERROR: ")) > 0:
        return [line[:at], line[at + 1 :]]
    return [line]


def told(text: str, *, failed: bool) -> list[str]:
    """What may be the message of an exception whose class was not told, the first ones of a text. One that
    does not end in a failure must be short, or the message unmistakable."""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    is_alone = len(lines) <= _FEW_LINES and not any(map(_NO_FAILURE.search, lines))
    found = []
    for line in lines:
        if _NO_FAILURE.search(line) or _CLASS.match(line) or _USER_TEXT.match(line):
            continue
        if message := _MESSAGE.match(line):
            found.append(message[1])
        if not failed and not is_alone:
            continue
        if message := _BY_A_PROGRAM.match(line) or _HALF_KNOWN.match(line):
            found += [message[1], message[1].strip("'\". ")]
        if is_alone and line[0] not in "[<{0123456789" and _SAYS_NO.search(line):
            found.append(line)
    return found[:_TOLD_AT_MOST]


class LogEnd:
    """The end of a log, kept for a second look. Bounded memory."""

    def __init__(self) -> None:
        self._pieces: deque[bytes] = deque()
        self._bytes = 0

    def keep(self, piece: bytes) -> None:
        """What came next."""
        self._pieces.append(piece)
        self._bytes += len(piece)
        while self._bytes > _KEPT:
            self._bytes -= len(self._pieces.popleft())

    def hints(self, found: list[Hint], *, failed: bool) -> list[Hint]:
        """Fatal hints in the text laid out anew, where none ``found`` at the first look tells the cause."""
        text = laid_out("\n".join(map(clean, b"".join(self._pieces).splitlines())))
        matcher = hints.HintMatcher(alone=True, failed=failed)
        met = [hint for hint in (*matcher.feed(text.encode()), *matcher.close()) if hint.severity == "fatal"]
        if any(hint.severity == "fatal" for hint in found):
            return [hint for hint in met if hints.is_cause(hint)]
        return (
            met or [hint for hint in map(hints.in_words, told(text, failed=failed)) if hint is not None][:1]
        )
