"""Sample prompts to begin with, in the words the model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from loratui.advice.suggestion import Suggestion
from loratui.recipe import Purpose

Style = Literal["tags", "sentences"]

_TAGS: dict[Purpose, tuple[str, str]] = {
    "character": ("solo, upper body, looking at viewer, simple background", "solo, full body, outdoors, day"),
    "style": ("1girl, upper body, city street, night", "scenery, mountains, river, no humans"),
    "concept": ("solo, full body, simple background", "outdoors, day"),
    "object": ("still life, simple background", "outdoors, grass, day"),
    "trial": ("simple background", "outdoors, day"),
}
_SENTENCES: dict[Purpose, tuple[str, str]] = {
    "character": ("a portrait of {}, plain background", "{} walking through a park in the morning"),
    "style": ("{}a woman in a city street at night", "{}a river between mountains"),
    "concept": ("{}, plain background", "{}, in a park in the morning"),
    "object": ("a photo of {} on a table", "a photo of {} lying in the grass"),
    "trial": ("{}, plain background", "{}, outdoors"),
}


def caption_style(family: str, told: str = "", captions: Sequence[str] = ()) -> Style:
    """Tags or sentences: as the captions are, else as the model's page says, else tags for SD 1.x to SDXL and
    sentences for all others (civitai src/utils/training.ts, ``baseTypePrefersCaptions``)."""
    if captions:
        tagged = sum(
            caption.count(",") * 4 >= len(caption.split()) and "," in caption for caption in captions
        )
        return "tags" if tagged * 2 >= len(captions) else "sentences"
    if told in ("tags", "sentences"):
        return "tags" if told == "tags" else "sentences"
    return "tags" if family in ("sd15", "sd2", "sdxl") else "sentences"


def prompt_advice(purpose: Purpose, trigger: str, style: Style, quality: str = "") -> Suggestion:
    """Two prompts: one close to the pictures, one far from them."""
    trigger = trigger.strip(" ,")
    if style == "tags":
        prompts = [", ".join(filter(None, (quality, trigger, words))) for words in _TAGS[purpose]]
    else:
        name = f"{trigger}, " if purpose == "style" and trigger else trigger
        prompts = [words.format(name).strip(" ,") for words in _SENTENCES[purpose]]
        prompts = [", ".join(filter(None, (quality, words))) for words in prompts]
    return Suggestion(
        "samples.prompts",
        prompts,
        "One close to your pictures and one far from them show what is learnt; write your own.",
        "civitai.com/articles/8737",
    )
