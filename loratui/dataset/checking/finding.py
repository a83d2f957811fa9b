"""What a dataset check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "info"]
"""``error``: training ends, or trains on something else than meant. ``warning``: it goes on, and the
result suffers. ``info``: worth a look."""

SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")

IMAGE_CODES = (
    "image_unreadable",
    "image_truncated",
    "image_zero_bytes",
    "image_bomb",
    "image_animated",
    "image_alpha",
    "image_exif_rotated",
    "image_cmyk",
    "image_16bit",
    "image_small",
    "image_extreme_aspect",
    "image_blurry",
    "format_ignored",
)
FOLDER_CODES = (
    "folder_no_repeats",
    "folder_nested",
    "folder_is_leaf",
    "folder_empty",
    "name_collision",
    "junk_files",
)
CAPTION_CODES = (
    "caption_missing",
    "caption_empty",
    "caption_not_utf8",
    "caption_orphan",
    "caption_multiline",
    "caption_too_long",
    "caption_style",
    "trigger_missing",
    "trigger_not_first",
    "tag_typo",
    "tag_everywhere",
)
SET_CODES = ("duplicate_exact", "duplicate_near", "few_images", "many_images", "bucket_small", "upscaled")
CODES = (*IMAGE_CODES, *FOLDER_CODES, *CAPTION_CODES, *SET_CODES)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a check noticed."""

    code: str
    """One of ``CODES``."""
    severity: Severity
    files: tuple[str, ...]
    """Paths of the files or folders meant."""
    message: str
    """One plain sentence: what is the matter and what it does to training."""
    fix: str
    """What to do about it."""


def in_order(findings: list[Finding]) -> tuple[Finding, ...]:
    """Errors first, then warnings; within them in the order of ``CODES``."""
    return tuple(sorted(findings, key=lambda one: (SEVERITIES.index(one.severity), CODES.index(one.code))))


def number(count: int, noun: str) -> str:
    """``1 picture``, ``2 pictures``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def says(count: int, one: str, more: str) -> str:
    """The verb that goes with a count."""
    return one if count == 1 else more
