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


def apply(caption: str, rules: CaptionRules, random: Random) -> str:
    """The caption as shown this time (train_util.py:880-921).

    Unshuffled it is left as it is; shuffled, its tags are joined by a comma and a blank. ``random``
    is drawn from exactly once, as one ``shuffle``, and only when ``rules.shuffle``.
    """
    if not rules.shuffle:
        return caption
    tags = [tag.strip() for tag in caption.strip().split(",")]
    kept, rest = tags[: rules.keep_tokens], tags[rules.keep_tokens :]
    random.shuffle(rest)
    return ", ".join(kept + rest)
