"""The model card: what it says, and that nothing from outside can break out of its place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.lora.publishing.card import Card, is_hub_id, write_card

CARD = Card(
    repo="me/hero",
    file="hero.safetensors",
    title="hero",
    kind="LoRA",
    family="sdxl",
    rank=16,
    alpha=8.0,
    settings={"steps": "2000", "optimizer": "Prodigy", "resolution": "1024x1024", "made_with": "x"},
    base_model="stabilityai/stable-diffusion-xl-base-1.0",
    trigger="ohwx",
    prompts=("ohwx, smiling",),
    license="openrail++",
    sheet="samples.png",
)


def front_matter(text: str) -> dict[str, str]:
    """The plain ``key: value`` lines between the first two rules; values are JSON or a bare word."""
    lines = text.splitlines()
    assert lines[0] == "---"
    rows = [line for line in lines[1 : lines.index("---", 1)] if not line.startswith("-")]
    pairs = [line.partition(": ") for line in rows]
    return {key: json.loads(value) if value.startswith('"') else value for key, _, value in pairs}


def test_a_full_card() -> None:
    text = write_card(CARD)
    assert front_matter(text) == {
        "license": "openrail++",
        "base_model": "stabilityai/stable-diffusion-xl-base-1.0",
        "base_model_relation": "adapter",
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "instance_prompt": "ohwx",
        "tags:": "",
        "widget:": "",
    }
    for line in (
        '- "stable-diffusion-xl"',
        '- text: "ohwx, smiling"',
        "| Rank | 16 |",
        "| Alpha | 8 |",
        "| Steps | 2000 |",
        "![With and without it](samples.png)",
        'pipe.load_lora_weights("me/hero", weight_name="hero.safetensors")',
    ):
        assert line in text.splitlines()


def test_what_is_not_known_is_left_out() -> None:
    text = write_card(
        Card("me/x", "x.safetensors", "x", "LoKr", None, None, None, base_model="mine.safetensors")
    )
    assert front_matter(text).keys() == {"library_name", "pipeline_tag", "tags:"}
    assert "trained on mine.safetensors" in text
    assert "None was stated" in text
    assert "```" not in text


@given(st.text(max_size=80))
def test_text_from_outside_stays_in_its_place(text: str) -> None:
    evil = Card(
        "me/x",
        f"{text}.safetensors",
        text,
        "LoRA",
        "sd15",
        4,
        4.0,
        settings={"comment": text},
        base_model=text,
        trigger=text,
        prompts=(text,),
        license=text,
    )
    card = write_card(evil)
    assert all(line.isprintable() for line in card.split("\n"))
    plain = write_card(
        Card("me/x", "x", "x", "LoRA", "sd15", 4, 4.0, {"comment": "x"}, "x", "x", ("x",), "x")
    )
    if " ".join(text.split()) and "".join(filter(str.isprintable, text)).strip() and not is_hub_id(text):
        assert len(card.splitlines()) == len(plain.splitlines())
    assert "<" not in card.replace("&lt;", "").partition("```python")[0].partition("\n---\n")[2]
    assert card.count("\n```") == 2
    for row in card.splitlines():
        if row.startswith("| Comment"):
            assert row.replace("\\\\", "").replace("\\|", "").count("|") == 3


@pytest.mark.parametrize("text", ["a/b", "me/hero-1.0_x"])
def test_hub_ids(text: str) -> None:
    assert is_hub_id(text)


@pytest.mark.parametrize(
    "text", ["", "hero", "a/b/c", "../x", "/abs/path", "a/b c", "a/..", "a--b/c", "-a/b"]
)
def test_no_hub_ids(text: str) -> None:
    assert not is_hub_id(text)
