"""Buckets: what they hold, how much they crop, and how they are drawn."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.dataset.bucket_picture import bars, boxes
from loratui.dataset.bucket_use import BucketUse, bucket_uses, bucketing, crop
from loratui.dataset.buckets import Bucketing
from loratui.dataset.pictures.headers import Header
from loratui.dataset.pictures.probe_cache import Probe


def probes(*sizes: tuple[int, int]) -> dict[Path, Probe]:
    return {Path(f"{n}.png"): Probe(Header("png", *size)) for n, size in enumerate(sizes)}


def test_what_buckets_hold_and_cut_off() -> None:
    rules = bucketing("sd15")
    square, wide = bucket_uses(probes((512, 512), (1024, 1024), (256, 256), (900, 500)), rules)
    assert square == BucketUse((512, 512), 3, 0.0, 1)
    assert (wide.size, wide.images) == ((640, 384), 1)
    # 900 x 500 is scaled to 691 x 384 and loses 51 columns.
    assert wide.cropped == pytest.approx(1 - 640 / 691)


def test_a_picture_without_a_bucket_is_in_none() -> None:
    rules = Bucketing((512, 512), no_upscale=True)
    assert bucket_uses(probes((4000, 20), (512, 512)), rules)[0].images == 1
    assert crop(rules, 4000, 20) == 1.0


def use(width: int, height: int, images: int, cropped: float = 0.0) -> BucketUse:
    return BucketUse((width, height), images, cropped, 0)


@pytest.mark.parametrize("width", [40, 80, 140])
def test_boxes_have_their_shapes_and_fit(width: int) -> None:
    uses = [use(832, 1216, 4, 0.02), use(1024, 1024, 30), use(1216, 832, 9, 0.001), use(640, 1536, 1, 0.1)]
    for unicode in (True, False):
        lines = boxes(uses, width, unicode=unicode)
        assert all(len(line) <= width for line in lines)
        if not unicode:
            assert all(line.isascii() for line in lines)
        text = "\n".join(lines)
        assert "1024x1024" in text and "30 / 0%" in text and "9 / <1%" in text
    assert boxes(uses, 14)[-1] == " and 3 more sizes with 14 pictures"
    # The fullest comes first; a portrait is higher, a landscape wider than a square.
    drawn = boxes(uses, 80)
    heights = [sum(bool(line.ljust(80)[at : at + 11].strip()) for line in drawn[:4]) for at in (0, 11, 22)]
    assert heights == [3, 3, 4]


def test_bars_name_every_bucket() -> None:
    lines = bars([use(832, 1216, 4, 0.02), use(1024, 1024, 30)], 80)
    assert lines[0].split()[:4] == ["1024", "x", "1024", "30"] and "0% cropped" in lines[0]
    assert "2% cropped" in lines[1] and lines[0].count("█") > lines[1].count("█")
    assert bars([], 80) == [] and boxes([], 80) == []
