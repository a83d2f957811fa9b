"""How many numbers a LoRA has, by family: counted, not estimated."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """What is trained of one model: for each rank so many numbers, in so many modules."""

    per_rank: int
    """Inputs and outputs of all its modules, added up."""
    modules: int


@dataclass(frozen=True, slots=True)
class Parts:
    """A family as sd-scripts trains it unless told otherwise."""

    model: Part
    """The U-Net or transformer."""
    text: tuple[Part, ...] = ()
    """Those of its text encoders that are trained where ``text_encoder_rate`` is set."""

    @property
    def text_per_rank(self) -> int:
        """All text encoders together."""
        return sum(part.per_rank for part in self.text)


_CLIP_L = Part(165_888, 72)
_CLIP_G = Part(737_280, 192)
_CLIP_H = Part(423_936, 138)

PARTS: dict[str, Parts] = {
    "sd15": Parts(Part(423_936, 192), (_CLIP_L,)),
    "sd2": Parts(Part(432_128, 192), (_CLIP_H,)),
    "sdxl": Parts(Part(2_659_840, 722), (_CLIP_L, _CLIP_G)),
    "sd3": Parts(Part(1_850_880, 263), (_CLIP_L, _CLIP_G)),
    "flux": Parts(Part(4_786_176, 304), (_CLIP_L,)),
    "lumina": Parts(Part(1_651_776, 180), (Part(1_297_920, 182),)),
    "anima": Parts(Part(1_433_600, 280), (Part(630_784, 196),)),
    "hunyuan_image": Parts(Part(5_877_760, 320)),
}
"""Counted on the networks that sd-scripts 48d368fa builds over its own models on the meta device, at two
ranks (``create_network`` of networks/lora.py, lora_sd3.py, lora_flux.py, lora_lumina.py, lora_anima.py and
lora_hunyuan_image.py, without network_args). sd3 is 3.5 medium; SD3 medium has 1,671,168 in 237 modules, 3.5
large 4,212,224 in 377. T5 is not trained without train_t5xxl (sd3_train_network.py:55,
flux_train_network.py:72).
"""
