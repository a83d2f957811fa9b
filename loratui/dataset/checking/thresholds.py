"""Where a check draws its lines. Each is a constant with its source; nothing else decides."""

from __future__ import annotations

from collections.abc import Mapping

from loratui.families import FAMILIES
from loratui.recipe.document import FamilyName, Purpose

FEW_IMAGES: Mapping[Purpose, int] = {"character": 10, "style": 15, "concept": 10, "object": 5, "trial": 1}
"""Below this a set is called small. Character: minimum of iimagined.ai and Replicate's trainer (10; Valstrix
names 12 for SDXL, civitai 3522). Style: half of the 30 that style guides begin at. Concept: as a
character. Object: 5, the least of ArgentVASIMR's and hollowstrawberry's guides."""

MANY_IMAGES: Mapping[Purpose, int | None] = {
    "character": 100,
    "style": 400,
    "concept": 160,
    "object": 80,
    "trial": None,
}
"""Above this a set is called large. Character: twice the 50 beyond which iimagined.ai advises against more
(civitai 11195 aims at 100). The others: twice what their guides call usual (style 200, Steelrain
civitai 9338 and others; concept 80; object 40)."""

CAPTIONS_MISSING_ERROR = 0.5
"""With more than this share uncaptioned, captions were meant and did not arrive: sd-scripts trains such
pictures on their folder's name (library/train_util.py:2072-2091)."""

MIN_SIDE_SHARE = {"sd15": 1.0, "sd2": 0.75}
MIN_SIDE_SHARE_ELSE = 0.75
"""A picture has too few pixels below this share of the family's side: 512 for SD 1.5, 768 for SDXL and its
like (iimagined.ai, Alibaba PAI)."""

BUCKET_AREA_SLACK = 0.9
"""SD 1.5's own buckets hold down to 0.94 of their nominal area (384x640); less than this is too small."""

UPSCALED_AREA = 0.7
"""A picture with less than this share of its bucket's area is visibly enlarged."""

UPSCALED_SHARE = 0.2
"""With more than this share of enlarged pictures ``bucket_no_upscale`` is the better choice."""

EXTREME_ASPECT = 3.0
"""Long side to short side: beyond it the crop to a bucket takes what matters."""

DEFAULT_FAMILY: FamilyName = "sd15"
"""Whose lines are drawn when the model is not known: the mildest."""

BOMB_PIXELS = 178_956_970
"""Pillow refuses to open more than this (twice ``Image.MAX_IMAGE_PIXELS``), and so does the trainer."""

NEAR_BITS = 12
"""Of 128 hash bits. 90 % of each hash alike, the line at which half a million pairs of different pictures
gave no false pair, neither photos nor drawings, with pHash and dHash taken together."""

FLAT_RANGE = 12
"""Grey levels between the darkest and the lightest of 32x32 cells; a flatter picture's hash says nothing."""

BLUR_SHARE = 0.1
BLUR_LAPLACIAN = 50.0
BLUR_FEWEST = 8
"""Possibly blurred: variance of the Laplacian below this share of the set's median and below this value (the
usual absolute line, which alone fails: a blurred drawing is as sharp as a sharp photo). A median
wants at least this many pictures."""

TOKEN_LIMITS = (75, 150, 225)
"""What ``max_token_length`` can be; CLIP tokens beyond it are cut off (sd-scripts train_util.py)."""

CLIP_FAMILIES = frozenset({"sd15", "sd2", "sdxl"})
"""Families whose captions CLIP alone reads."""

TAG_FAMILIES = frozenset({"sd15", "sdxl"})
SENTENCE_FAMILIES = frozenset(FAMILIES) - TAG_FAMILIES - {"anima"}
"""Civitai's rule (``baseTypePrefersCaptions``): tags for SD 1.5 and SDXL, sentences for all others. Anima,
made for both, is left out."""

STYLE_SHARE = 0.2
"""With more than this share of captions in the other style, something is mixed up."""

SENTENCE_WORDS = 6
"""A sentence has at least so many words, and no more than one comma for so many."""

COMMON_TAG = 3
"""A tag seen this often is meant; one seen once and a letter away from it is likely misspelt."""

TYPO_LENGTH = 4
"""Shorter tags are too near to each other."""

EVERYWHERE_FEWEST = 5
"""In fewer captions than this a tag stands everywhere by chance."""


def min_area(family: FamilyName) -> float:
    """Pixels below which a picture is too small for a family."""
    side = FAMILIES[family].resolution * MIN_SIDE_SHARE.get(family, MIN_SIDE_SHARE_ELSE)
    return side * side * BUCKET_AREA_SLACK
