"""A trigger word for a set of pictures, and what to do where no caption says it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from loratui.advice.suggestion import Suggestion
from loratui.recipe import Purpose

RARE = "ohwx"
"""A word no model knows, as guides use it."""

_MOST_WORDS = 3
_COMMON = re.compile(
    r"\d?(girl|boy|woman|man|other|person|people|cat|dog|animal)s?|solo|no humans|"
    r"(masterpiece|best quality|high quality|score_\d\w*|rating\w*|source_\w+)|"
    r"(an? )?(photo|picture|image|painting|drawing|portrait|illustration)s?( of)?.*",
    re.IGNORECASE,
)
"""First tags that every model knows: none of them can call anything up."""
_WORD = re.compile(r"[a-z0-9_]{3,}")
_SPEAKABLE = re.compile(r"[aeiouy]")


def trigger_advice(purpose: Purpose, captions: Sequence[str], folder_words: Sequence[str]) -> Suggestion:
    """``captions`` are the texts beside the pictures; ``folder_words`` stand in for those without one."""
    key = "dataset.trigger"
    if found := _shared(captions):
        return Suggestion(key, found, "Every caption says it already.", "the captions")
    if not captions and len(set(folder_words)) == 1 and folder_words[0]:
        return Suggestion(
            key, folder_words[0], "The folder is named so, and its name stands in for captions.", "the folder"
        )
    if purpose == "style":
        return Suggestion(
            key, "", "A style may do without: it then shows in every picture.", "hollowstrawberry's trainers"
        )
    reason = "A word that no model knows: what it is to mean comes from your pictures alone."
    return Suggestion(key, RARE, reason, "kohya_ss docs; ArgentVASIMR's guide")


def prefix_advice(trigger: str, found: int, total: int, *, regularization: bool) -> Suggestion | None:
    """Put the trigger in front of every caption while training, where none says it; the files stay as they
    are. Not beside regularization pictures, which would be given it too."""
    if not trigger or found or not total or regularization:
        return None
    reason = f"None of the {total} captions says the trigger; this puts it in front while training."
    return Suggestion(
        "kohya.caption_prefix", f"{trigger},", reason, "sd-scripts library/train_util.py, process_caption"
    )


def _shared(captions: Sequence[str]) -> str:
    """The first tag of all captions, else a word in all of them that nobody could pronounce."""
    if len(captions) < 2:
        return ""
    first = {caption.partition(",")[0].strip() for caption in captions}
    if len(first) == 1:
        tag = first.pop()
        if tag and len(tag.split()) <= _MOST_WORDS and "\n" not in tag and not _COMMON.fullmatch(tag):
            return tag
    common = set.intersection(*(set(_WORD.findall(caption.lower())) for caption in captions))
    return min((word for word in common if not _SPEAKABLE.search(word) and not word.isdigit()), default="")
