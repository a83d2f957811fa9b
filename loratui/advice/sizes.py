"""How large the parts of each family are: weights, and what one picture leaves in memory.

Parameters are counted from the models' configs. Activations of SD 1.x and SDXL were counted as tensors
saved for the backward pass (bf16, flash attention, rank 16); those of transformers follow
Korthikanti et al. (arXiv 2205.05198): about 34 bytes a token, channel and layer without checkpointing,
2 with it.
"""

from __future__ import annotations

from dataclasses import dataclass

from loratui.advice.lora_parameters import PARTS, Parts

GB = 1e9
"""Bytes."""
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Sizes:
    """One family."""

    model: float
    """Parameters of the U-Net or transformer."""
    text_encoders: float
    lora: Parts
    side: int
    """Pixels of the square for which the activations below hold."""
    saved: float
    """Bytes for each picture, everything kept."""
    saved_checkpointed: float
    """Bytes for each picture with gradient checkpointing."""
    recomputed: float
    """Bytes for each picture while one checkpointed block is done over."""
    attention: float = 0.0
    """Bytes for each picture of whole attention matrices, where attention is not fused; they grow with
    the square of the area."""
    swapped: float = 0.0
    """Parameters that each of ``blocks_to_swap`` takes off the GPU."""

    @property
    def is_unet(self) -> bool:
        """Whether it is a U-Net, and no transformer."""
        return bool(self.attention)


def _transformer(tokens: int, channels: int, layers: int) -> tuple[float, float, float]:
    stream = tokens * channels * 2.0
    return 17 * layers * stream, layers * stream, 34 * stream


_FLUX = _transformer(4096 + 512, 3072, 57)
_SD3 = _transformer(4096 + 333, 1536, 24)
_LUMINA = _transformer(4096 + 256, 2304, 30)
_ANIMA = _transformer(4096 + 512, 2048, 28)
_HUNYUAN = _transformer(4096 + 1000, 3584, 60)

SIZES: dict[str, Sizes] = {
    "sd15": Sizes(0.8595e9, 0.1231e9, PARTS["sd15"], 512, 0.93e9, 0.156e9, 0.30e9, 2.85e9),
    "sd2": Sizes(0.8659e9, 0.3540e9, PARTS["sd2"], 512, 0.93e9, 0.156e9, 0.30e9, 2.85e9),
    "sdxl": Sizes(2.5675e9, 0.8178e9, PARTS["sdxl"], 1024, 6.75e9, 0.589e9, 0.50e9, 11.7e9),
    "sd3": Sizes(2.5e9, 5.58e9, PARTS["sd3"], 1024, *_SD3),
    "flux": Sizes(11.9e9, 4.88e9, PARTS["flux"], 1024, *_FLUX, swapped=0.311e9),
    "lumina": Sizes(2.6e9, 2.61e9, PARTS["lumina"], 1024, *_LUMINA),
    "anima": Sizes(2.0e9, 0.6e9, PARTS["anima"], 1024, *_ANIMA, swapped=0.07e9),
    "hunyuan_image": Sizes(17e9, 8.5e9, PARTS["hunyuan_image"], 2048, *_HUNYUAN, swapped=0.40e9),
}
"""sd3 stands for 3.5 medium. What a swapped block of HunyuanImage frees is read off its guide's table of
cards (sd-scripts docs); SD 2, SD 3 and Anima are computed alone, with no published run beside them."""

VAE_PARAMETERS = 0.0837e9

OPTIMIZER_BYTES = {
    "adamw": 16.0,
    "adamw8bit": 10.0,
    "pagedadamw8bit": 10.0,
    "pagedadamw": 16.0,
    "lion": 12.0,
    "lion8bit": 9.0,
    "pagedlion8bit": 9.0,
    "adafactor": 8.1,
    "prodigy": 24.0,
}
"""Bytes for each LoRA parameter in fp32: weight, gradient and what the optimizer keeps."""
OTHER_OPTIMIZER_BYTES = 20.0
"""D-Adaptation, and whatever is not known."""
