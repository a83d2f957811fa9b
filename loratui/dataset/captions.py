"""Captions as the trainer reads and shuffles them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from random import Random

from loratui.dataset.scan import Picture
from loratui.problems import Problem, UserError, refusal

_CHOICE = re.compile(r"\{([^}]+)\}")
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Stand for a doubled brace; of Unicode's private use, so that no caption holds them."""


@dataclass(frozen=True, slots=True)
class CaptionRules:
    """What is done to a caption each time its picture is shown."""

    shuffle: bool = False
    """Put the tags (what stands between commas) into a random order."""
    keep_tokens: int = 0
    """This many tags at the front stay where they are."""
    prefix: str = ""
    """Put in front, with a blank between; it counts among the tags that are kept."""
    suffix: str = ""
    dropout: float = 0.0
    """The share of showings without any caption."""
    dropout_every: int = 0
    """In every n-th epoch all captions are left out; 0 is never."""
    tag_dropout: float = 0.0
    """The share of tags left out, those that are kept excepted."""
    separator: str = ","
    """What stands between tags in the file; they are joined by a comma and a blank all the same."""
    secondary_separator: str = ""
    """Holds tags together while they are shuffled, and becomes ``separator`` at the end."""
    keep_separator: str = ""
    """Where a caption holds it, what stands before it is kept in place of ``keep_tokens`` tags; what stands
    behind a second one stays at the end."""
    wildcards: bool = False
    """Of several lines one is drawn, and of ``{a|b}`` one word; doubled braces are braces."""
    warmup_from: int = 1
    """So many of the tags that may move are shown in the first step."""
    warmup_steps: float = 0.0
    """After so many steps all of them are shown; below 1 it is a fraction of all steps, which
    ``for_steps`` turns into a number; 0 shows all from the start."""

    def for_steps(self, total: int) -> CaptionRules:
        """The same for a training of ``total`` steps (train_util.py:875-876)."""
        if not 0 < self.warmup_steps < 1:
            return self
        return replace(self, warmup_steps=math.floor(self.warmup_steps * total))

    @property
    def varies(self) -> bool:
        """Whether a caption's own words differ from showing to showing."""
        return self.splits or self.wildcards

    @property
    def splits(self) -> bool:
        """Whether the caption is taken apart into tags."""
        return self.shuffle or self.tag_dropout > 0 or self.warmup_steps > 0


def read_caption(picture: Picture, *, all_lines: bool = False) -> str:
    """The caption of a picture: the first line of its file, without blanks around it, or the words of
    its folder's name when it has no file (sd-scripts library/train_util.py:1956-1970). ``all_lines`` keeps
    every line that is not empty, for wildcards.

    Raises ``UserError`` naming the file when it is empty or not UTF-8, on which sd-scripts ends.
    """
    path = picture.caption_path
    if path is None:
        return picture.class_tokens
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            str(path),
            Problem(
                "",
                f"this caption is not UTF-8 text (byte {error.start}).",
                "Save it as UTF-8.",
                "caption_encoding",
            ),
        ) from None
    except OSError as error:
        raise UserError(
            str(path),
            Problem("", f"this caption cannot be read: {error.strerror}.", "Check its permissions."),
        ) from None
    if not text:
        fix = "Write a caption into it, or delete it."
        raise refusal(path, "this caption file is empty.", fix, "caption_empty")
    # Only \n, \r and \r\n end a line here; str.splitlines knows more.
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    return "\n".join(line for line in lines if line) if all_lines else lines[0]


def apply(caption: str, rules: CaptionRules, random: Random, epoch: int = 1, step: int = 0) -> str:
    """The caption as shown this time, in an epoch counted from 1 (train_util.py:821-921), after ``step``
    steps.

    Its words are left as they are unless it is taken apart; then its tags are joined by a comma and a
    blank. ``random`` is drawn from only for what the rules ask: once for dropout, then for the line and each
    wildcard, then one ``shuffle``, then once for each tag that may drop out.
    """
    caption = " ".join(part for part in (rules.prefix, caption, rules.suffix) if part)
    dropped = rules.dropout > 0 and random.random() < rules.dropout
    if dropped or (rules.dropout_every > 0 and epoch % rules.dropout_every == 0):
        return ""
    caption = _drawn(caption, random) if rules.wildcards else caption.split("\n")[0]
    if rules.splits:
        kept, rest, last = _parts(caption, rules)
        if step < rules.warmup_steps:
            # In this order of operations: sd-scripts' own, whose rounding counts here.
            more = (len(rest) - rules.warmup_from) / rules.warmup_steps
            rest = rest[: math.floor(step * more) + rules.warmup_from]
        if rules.shuffle:
            random.shuffle(rest)
        if rules.tag_dropout > 0:
            rest = [tag for tag in rest if random.random() >= rules.tag_dropout]
        caption = ", ".join(kept + rest + last)
    if rules.secondary_separator:
        caption = caption.replace(rules.secondary_separator, rules.separator)
    return caption


def _parts(caption: str, rules: CaptionRules) -> tuple[list[str], list[str], list[str]]:
    """Tags that stay in front, that may move or go, and that stay at the end."""
    if rules.keep_separator and rules.keep_separator in caption:
        pieces = caption.split(rules.keep_separator, 2)
        tags = [[tag.strip() for tag in piece.split(rules.separator) if tag.strip()] for piece in pieces]
        return tags[0], tags[1], tags[2] if len(tags) > 2 else []
    found = [tag.strip() for tag in caption.strip().split(rules.separator)]
    return found[: rules.keep_tokens], found[rules.keep_tokens :], []


def _drawn(caption: str, random: Random) -> str:
    if "\n" in caption:
        caption = random.choice(caption.split("\n"))
    caption = caption.replace("{{", _OPEN).replace("}}", _CLOSE)
    caption = _CHOICE.sub(lambda match: random.choice(match[1].split("|")), caption)
    return caption.replace(_OPEN, "{").replace(_CLOSE, "}")
