"""What SDXL's text encoders make of captions, on disk beside the pictures: under sd-scripts' names and keys,
so that both engines can use them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from loratui.trainer.array_files import is_older, read_arrays, write_arrays
from loratui.trainer.captions.text import Condition
from loratui.trainer.pictures.data import Item

_KEYS = ("hidden_state1", "hidden_state2", "pool2")
_WAY_OUT = "Free some space or make the folder writable, or turn cache_text_encoder_outputs_to_disk off."


@dataclass(frozen=True, slots=True)
class TextFiles:
    """``hero_te_outputs.npz`` beside ``hero.png`` (sd-scripts library/strategy_sdxl.py:220-300)."""

    widths: tuple[int, int]
    """Channels of each encoder's states."""
    length: int
    """Tokens of them: 77, 152 or 227."""
    pooled: int
    dtype: torch.dtype
    checked: bool = True
    """Whether a file is looked at before it is believed; skip_cache_check does not."""

    def path(self, item: Item) -> Path:
        """Where a picture's outputs lie."""
        return item.picture.path.with_name(f"{item.picture.path.stem}_te_outputs.npz")

    def read(self, item: Item) -> Condition | None:
        """The outputs for one caption, [1,T,C] and [1,P]; None where the file does not hold them.

        sd-scripts looks for the keys alone. Here a file older than its caption, of another length or with
        numbers that are none is no file either.
        """
        path, caption = self.path(item), item.picture.caption_path
        if self.checked and caption and is_older(path, caption):
            return None
        arrays = read_arrays(path, _KEYS)
        if arrays is None:
            return None
        found = [array.to(self.dtype) for array in arrays]
        first, second, pooled = found
        wanted = [(self.length, self.widths[0]), (self.length, self.widths[1]), (self.pooled,)]
        if [tuple(one.shape) for one in found] != wanted:
            return None
        if self.checked and not all(bool(torch.isfinite(one).all()) for one in found):
            return None
        return Condition(torch.cat([first, second], dim=1)[None], pooled[None])

    def write(self, item: Item, condition: Condition) -> None:
        """Write them whole, bfloat16 as float32. Raises ``UserError`` when the disk refuses."""
        assert condition.pooled is not None
        parts = [*torch.split(condition.states[0], list(self.widths), dim=1), condition.pooled[0]]
        arrays = {
            key: (part.float() if part.dtype == torch.bfloat16 else part).cpu().numpy()
            for key, part in zip(_KEYS, parts, strict=True)
        }
        write_arrays(self.path(item), arrays, _WAY_OUT)


def far_apart(found: torch.Tensor | None, wanted: torch.Tensor | None) -> bool:
    """Whether two outputs for the same caption are of different text encoders: rounding is far less."""
    assert found is not None
    assert wanted is not None
    own = wanted.float()
    return float((found.float() - own).norm()) > 0.1 * float(own.norm())
