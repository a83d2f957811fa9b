"""Captions as conditions: encoded once where nothing about them changes, else as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext

import torch

from loratui.formats.sample_prompts import Prompt
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.captions.text import Condition, encode, encode_to_draw, stack
from loratui.trainer.captions.tokenizer import WORDS
from loratui.trainer.distributed import Together

_AT_ONCE = 8
"""Captions that go through the text encoders together: each takes a fifth less time than alone on a CPU."""


class Conditions:
    """Hands out the condition of a batch of captions."""

    def __init__(
        self,
        model: BaseModel,
        clip_skip: int | None,
        device: torch.device,
        *,
        trained: bool,
        weighted: bool = False,
        most: int = WORDS,
    ) -> None:
        """``most`` tokens of a caption are seen."""
        self._model = model
        self._clip_skip = clip_skip
        self._device = device
        self._trained = trained
        self._weighted = weighted
        self._most = most
        self._known: dict[str, Condition] = {}
        self._drawn: dict[tuple[str, str], tuple[Condition, Condition]] = {}

    def remember(
        self, texts: Iterable[str], progress: Callable[[int, int], None], together: Together | None = None
    ) -> None:
        """Encode these once and for all; only while the text encoders are not trained. Several processes
        share the work, and then tell each other."""
        together = together or Together()
        wanted = [text for text in dict.fromkeys(texts) if text not in self._known]
        mine = wanted[together.rank :: together.world]
        own: dict[str, Condition] = {}
        for first in range(0, len(mine), _AT_ONCE):
            progress(min(first * together.world, len(wanted)), len(wanted))
            some = mine[first : first + _AT_ONCE]
            own |= dict(zip(some, self._plain(some), strict=True))
        for found in together.gather(own):
            self._known |= found
        progress(len(wanted), len(wanted))

    def remember_to_draw(self, prompts: Iterable[Prompt]) -> None:
        """Encode what is drawn once and for all; only while the text encoders are not trained."""
        for prompt in prompts:
            self._drawn[prompt.text, prompt.negative] = self._to_draw(prompt)

    def to_draw(self, prompt: Prompt) -> tuple[Condition, Condition]:
        """The conditions of a prompt and of its negative, of one length, without gradients."""
        return self._drawn.get((prompt.text, prompt.negative)) or self._to_draw(prompt)

    def _to_draw(self, prompt: Prompt) -> tuple[Condition, Condition]:
        with torch.no_grad():
            found = encode_to_draw(self._model, [prompt.text, prompt.negative], self._clip_skip)
        one, other = (
            Condition(
                found.states[place : place + 1],
                None if found.pooled is None else found.pooled[place : place + 1],
            )
            for place in range(2)
        )
        return one, other

    def put(self, known: Mapping[str, Condition]) -> None:
        """Conditions that are known from elsewhere, on the CPU."""
        self._known |= known

    def plain(self, text: str) -> Condition:
        """The condition of one text without gradients, on the CPU."""
        return self._known[text] if text in self._known else self._plain([text])[0]

    def get(self, captions: Sequence[str]) -> Condition:
        """The condition of a batch, with gradients when the text encoders are trained."""
        if all(caption in self._known for caption in captions):
            return stack([self._known[caption] for caption in captions], self._device)
        with nullcontext() if self._trained else torch.no_grad():
            return self._encode(captions)

    def _plain(self, texts: Sequence[str]) -> list[Condition]:
        with torch.no_grad():
            found = self._encode(texts)
        # Copies: a part of a tensor takes all of it along when processes tell each other.
        return [
            Condition(
                found.states[number : number + 1].cpu().clone(),
                None if found.pooled is None else found.pooled[number : number + 1].cpu().clone(),
            )
            for number in range(len(texts))
        ]

    def _encode(self, texts: Sequence[str]) -> Condition:
        return encode(self._model, texts, self._clip_skip, weighted=self._weighted, most=self._most)
