"""Captions as the trainer reads and shuffles them."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from loratui.dataset.scan import Picture
from loratui.problems import Problem, UserError


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

    @property
    def varies(self) -> bool:
        """Whether a caption's own words differ from showing to showing."""
        return self.shuffle or self.tag_dropout > 0


def read_caption(picture: Picture) -> str:
    """The caption of a picture: the first line of its file, without blanks around it, or the words of
    its folder's name when it has no file (sd-scripts library/train_util.py:1956-1970).

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
            Problem("", f"this caption is not UTF-8 text (byte {error.start}).", "Save it as UTF-8."),
        ) from None
    except OSError as error:
        raise UserError(
            str(path),
            Problem("", f"this caption cannot be read: {error.strerror}.", "Check its permissions."),
        ) from None
    if not text:
        raise UserError(
            str(path), Problem("", "this caption file is empty.", "Write a caption into it, or delete it.")
        )
    # Only \n, \r and \r\n end a line here; str.splitlines knows more.
    return text.replace("\r", "\n").partition("\n")[0].strip()


def apply(caption: str, rules: CaptionRules, random: Random, epoch: int = 1) -> str:
    """The caption as shown this time, in an epoch counted from 1 (train_util.py:821-921).

    As long as nothing varies its words are left as they are; else its tags are joined by a comma and a
    blank. ``random`` is drawn from only for what the rules ask: once for dropout, then one ``shuffle``,
    then once for each tag that may drop out.
    """
    caption = " ".join(part for part in (rules.prefix, caption, rules.suffix) if part)
    dropped = rules.dropout > 0 and random.random() < rules.dropout
    if dropped or (rules.dropout_every > 0 and epoch % rules.dropout_every == 0):
        return ""
    if not rules.varies:
        return caption
    tags = [tag.strip() for tag in caption.strip().split(",")]
    kept, rest = tags[: rules.keep_tokens], tags[rules.keep_tokens :]
    if rules.shuffle:
        random.shuffle(rest)
    if rules.tag_dropout > 0:
        rest = [tag for tag in rest if random.random() >= rules.tag_dropout]
    return ", ".join(kept + rest)
