"""The model card (README.md) of a LoRA on the hub. Pure text.

Front matter as https://huggingface.co/docs/hub/model-cards has it. Everything from outside is quoted: as
JSON strings in YAML, escaped in Markdown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from loratui.families import FAMILIES

_TAGS = {"sd15": "stable-diffusion", "sd2": "stable-diffusion", "sdxl": "stable-diffusion-xl"}
_PIPELINES = {
    "sd15": "StableDiffusionPipeline",
    "sd2": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
}
_ROWS = (
    # a key of metadata.Training.settings, and how a card calls it
    ("steps", "Steps"),
    ("epoch", "Epoch"),
    ("batch_size", "Batch size"),
    ("resolution", "Resolution"),
    ("pictures", "Pictures"),
    ("optimizer", "Optimizer"),
    ("scheduler", "Schedule"),
    ("learning_rate", "Learning rate"),
    ("unet_rate", "U-Net rate"),
    ("text_encoder_rate", "Text encoder rate"),
    ("clip_skip", "Clip skip"),
    ("noise_offset", "Noise offset"),
    ("min_snr_gamma", "Min-SNR gamma"),
    ("precision", "Precision"),
    ("seed", "Seed"),
    ("network_arguments", "Network arguments"),
    ("comment", "Comment"),
)
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#|~!&])")
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")


@dataclass(frozen=True, slots=True)
class Card:
    """All a card says."""

    repo: str
    file: str
    """The LoRA's name in the repository."""
    title: str
    kind: str
    """LoRA, LoCon ..."""
    family: str | None
    rank: int | None
    alpha: float | None
    settings: Mapping[str, str] = field(default_factory=dict)
    """How it was trained, by the names of ``metadata.Training.settings``."""
    base_model: str = ""
    """A file name, or a hub id, which also goes into the front matter."""
    trigger: str = ""
    prompts: tuple[str, ...] = ()
    """For the hub's widget."""
    license: str = ""
    """The hub's word for it (``openrail++``); empty when it was not said."""
    sheet: str = ""
    """The sample sheet's name in the repository."""


def is_hub_id(text: str) -> bool:
    """Whether a text is OWNER/NAME, as the hub allows it."""
    return bool(_HUB_ID.fullmatch(text)) and "--" not in text and ".." not in text


def write_card(card: Card) -> str:
    """The whole README.md."""
    return "\n".join([*_front_matter(card), *_body(card)]) + "\n"


def _front_matter(card: Card) -> Iterator[str]:
    yield "---"
    if card.license:
        yield f"license: {_yaml(card.license)}"
    if is_hub_id(card.base_model):
        yield f"base_model: {_yaml(card.base_model)}"
        yield "base_model_relation: adapter"
    yield "library_name: diffusers"
    yield "pipeline_tag: text-to-image"
    if card.trigger:
        yield f"instance_prompt: {_yaml(card.trigger)}"
    yield "tags:"
    family = _TAGS.get(card.family or "", card.family or "")
    for tag in ("lora", "text-to-image", "diffusers", "template:sd-lora", family):
        if tag:
            yield f"- {_yaml(tag)}"
    if card.prompts:
        yield "widget:"
        for prompt in card.prompts:
            yield f"- text: {_yaml(prompt)}"
    yield "---"


def _body(card: Card) -> Iterator[str]:
    yield from ("", f"# {_markdown(card.title)}", "")
    family = FAMILIES[card.family].title if card.family in FAMILIES else card.family or "an unknown family"
    base = f", trained on {_markdown(card.base_model)}" if card.base_model else ""
    yield f"A {card.kind} for {_markdown(family)}{base}."
    if card.trigger:
        yield from ("", f"**Trigger word:** {_markdown(card.trigger)}")
    if card.sheet:
        yield from ("", "## Samples", "", f"![With and without it]({card.sheet})")
    yield from ("", "## Settings", "", "| | |", "|---|---|")
    yield f"| Rank | {'none' if card.rank is None else card.rank} |"
    yield f"| Alpha | {'as the rank' if card.alpha is None else f'{card.alpha:g}'} |"
    for key, words in _ROWS:
        if card.settings.get(key):
            yield f"| {words} | {_markdown(card.settings[key])} |"
    yield from _usage(card)
    yield from ("", "## License", "")
    if card.license:
        yield f"{_markdown(card.license)}. The base model's license holds for models made from it too."
    else:
        yield "None was stated. The base model's license holds for models made from it."


def _usage(card: Card) -> Iterator[str]:
    pipeline = _PIPELINES.get(card.family or "")
    if pipeline is None:
        return
    base = card.base_model if is_hub_id(card.base_model) else "the base model"
    prompt = card.prompts[0] if card.prompts else card.trigger or "a prompt"
    yield from ("", "## Use", "", "```python")
    yield f"from diffusers import {pipeline}"
    yield ""
    yield f"pipe = {pipeline}.from_pretrained({_python(base)})"
    yield f"pipe.load_lora_weights({_python(card.repo)}, weight_name={_python(card.file)})"
    yield f"pipe({_python(prompt)}).images[0].save('picture.png')"
    yield "```"


def _one_line(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:1000])
    return " ".join(printable.split())


def _yaml(text: str) -> str:
    return json.dumps(_one_line(text), ensure_ascii=False)


def _python(text: str) -> str:
    return json.dumps(_one_line(text).replace("```", "'''"), ensure_ascii=False)


def _markdown(text: str) -> str:
    return _MARKS.sub(r"\\\1", _one_line(text)).replace("\\<", "&lt;").replace("\\&", "&amp;")
