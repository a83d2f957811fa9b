"""CLIP's tokenizer, from the shipped vocabulary or from a model's own folder."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tokenizers import Regex, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as Backend

from loratui.formats import clip_tokens
from loratui.formats.clip_tokens import END as END
from loratui.formats.clip_tokens import START as START
from loratui.formats.clip_tokens import byte_alphabet as byte_alphabet
from loratui.problems import refusal

ASSETS = Path(__file__).parents[1] / "assets"
LENGTH = 77
"""Tokens that a text encoder takes at once, with one for the start and at least one for the end."""
WORDS = LENGTH - 2
_PLAIN = re.compile(r"[ -%'-~\t\n\f\r]*")
_WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


class Tokenizer:
    """Text to token numbers."""

    def __init__(self, backend: Backend, pad_token: str = END) -> None:
        self._backend = backend
        self.start = self._number(START)
        self.end = self._number(END)
        self.pad = self._number(pad_token)

    def encode(self, text: str, most: int = WORDS) -> list[int]:
        """Exactly ``most`` + 2 numbers: start, the words' tokens cut to ``most``, end, padding."""
        words = self.tokens(text)[:most]
        numbers = [self.start, *words, self.end]
        return numbers + [self.pad] * (most + 2 - len(numbers))

    def encode_pieces(
        self, pieces: Sequence[tuple[str, float]], most: int = WORDS
    ) -> tuple[list[int], list[float]]:
        """The same and their weights for pieces of text that weigh differently; the rest weighs 1."""
        pairs = [(number, weight) for text, weight in pieces for number in self.tokens(text)][:most]
        rest = most + 1 - len(pairs)
        numbers = [self.start, *(number for number, _ in pairs), self.end, *[self.pad] * (rest - 1)]
        return numbers, [1.0, *(weight for _, weight in pairs), *[1.0] * rest]

    def chunks(self, numbers: Sequence[int]) -> list[list[int]]:
        """A long row (75 n + 2 numbers) as n rows of 77: each with the long row's first and last number
        around its own 75 (sd-scripts library/strategy_base.py:274-316).

        Where padding is not the end's number, a row that begins with padding, or breaks off in the middle
        of the words, gets an end of its own.
        """
        found = []
        for first in range(1, len(numbers) - 1, WORDS):
            row = [numbers[0], *numbers[first : first + WORDS], numbers[-1]]
            if self.pad != self.end and len(numbers) > LENGTH:
                if row[-2] not in (self.end, self.pad):
                    row[-1] = self.end
                if row[1] == self.pad:
                    row[1] = self.end
            found.append(row)
        return found

    def tokens(self, text: str) -> list[int]:
        """The words' tokens alone, however many."""
        numbers: list[int] = self._backend.encode(mended(text), add_special_tokens=False).ids
        return numbers

    def with_pad(self, token: str) -> Tokenizer:
        """The same vocabulary, padded with another token."""
        return Tokenizer(self._backend, token)

    def _number(self, token: str) -> int:
        number = self._backend.token_to_id(token)
        if number is None:
            raise ValueError(f"the vocabulary has no {token}")
        return int(number)


def mended(text: str) -> str:
    """The text as CLIP was taught to read it: curly quotes straight, full-width letters plain, ligatures
    apart, ``&amp;`` one character, control characters and byte order marks gone, and all in lower case.

    By ftfy, as in openai/CLIP (clip/simple_tokenizer.py, ``basic_clean``) and, where ftfy is installed, in
    transformers' CLIPTokenizer; sd-scripts requires it. Plain English is left as it is without loading it.
    """
    if _PLAIN.fullmatch(text):
        return text
    from ftfy import fix_text

    return fix_text(text).lower()


def build(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> Backend:
    """CLIP's byte-level BPE over a vocabulary."""
    backend = Backend(
        models.BPE(
            vocab=vocabulary,
            merges=merges,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            unk_token=END,
            fuse_unk=False,
        )
    )
    backend.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    return backend


@cache
def clip_tokenizer() -> Tokenizer:
    """The tokenizer of Stable Diffusion: 49,408 entries, from the shipped vocabulary."""
    return Tokenizer(build(clip_tokens.vocabulary(), list(clip_tokens.merges())))


def read_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer saved in a diffusers model, in the form of transformers 4 or 5.

    Raises ``UserError`` when it is missing or makes no sense.
    """
    try:
        if (folder / "vocab.json").exists():
            vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
            lines = (folder / "merges.txt").read_text(encoding="utf-8").splitlines()
            pairs = [line.split() for line in lines if line and not line.startswith("#version")]
            backend = build(vocabulary, [(left, right) for left, right in pairs])
        else:
            backend = Backend.from_file(str(folder / "tokenizer.json"))
            backend.no_padding()
            backend.no_truncation()
        return Tokenizer(backend, _pad_token(folder))
    except Exception as error:  # the tokenizers library raises plain Exception
        if isinstance(error, OSError) or not folder.is_dir():
            message = "the model's tokenizer is missing."
            raise refusal(folder, message, "Download the model again.", "model_missing") from None
        raise refusal(folder, "the model's tokenizer cannot be read.", "Download the model again.") from None


def _pad_token(folder: Path) -> str:
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if (folder / name).exists():
            token = json.loads((folder / name).read_text(encoding="utf-8")).get("pad_token")
            if token:
                return str(token["content"] if isinstance(token, dict) else token)
    return END
