from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from loratui.dataset.buckets import Bucketing, Placement, place, sizes

sides = st.integers(1, 4000)


FIELDS = {"bucket_reso_steps": "step", "min_bucket_reso": "smallest", "max_bucket_reso": "largest"}


@st.composite
def bucketings(draw: st.DrawFn, no_upscale: bool = False) -> Bucketing:
    """Bucketings without problems."""
    step = draw(st.sampled_from([8, 16, 32, 64, 96, 128]))
    resolution = (draw(st.integers(step, 1600)), draw(st.integers(step, 1600)))
    smallest = draw(st.integers(step, min(resolution)))
    largest = draw(st.integers(max(resolution), 2400))
    return Bucketing(resolution, True, smallest, largest, step, no_upscale)


def test_the_buckets_of_512() -> None:
    # Each width from 256 to 1024 by 64 with height 262144 // width floored to 64, both ways round.
    wide = [(576, 448), (640, 384), (704, 320), (768, 320)]
    wide += [(832, 256), (896, 256), (960, 256), (1024, 256)]
    tall = [(height, width) for width, height in wide]
    assert sizes(Bucketing((512, 512))) == sorted([*wide, (512, 512), *tall])


def test_a_short_list_by_hand() -> None:
    # 64 wide: 9216 // 64 = 144, at most 128. 128 wide: 72, floored to 64.
    assert sizes(Bucketing((96, 96), True, 64, 128, 64)) == [(64, 64), (64, 128), (128, 64)]


def test_the_square_bucket_is_there_even_when_the_list_skips_it() -> None:
    # sqrt(600 x 900) = 734.8, floored to 704; the widths 640, 704, 768 give other heights
    assert (704, 704) in sizes(Bucketing((600, 900), True, 256, 1024, 64))


def test_smallest_is_floored_and_largest_ceiled_to_the_step() -> None:
    assert Bucketing((512, 512), True, 300, 1000, 64).snapped == (256, 1024)
    assert sizes(Bucketing((512, 512), True, 300, 1000, 64)) == sizes(Bucketing((512, 512)))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((512, 512), Placement((512, 512), (512, 512))),
        ((1024, 1024), Placement((512, 512), (512, 512))),
        ((100, 100), Placement((512, 512), (512, 512))),
        ((704, 320), Placement((704, 320), (704, 320))),  # a bucket's own size stays, whatever its neighbours
        ((1920, 1080), Placement((640, 384), (683, 384))),  # 1.778: 1.667 is nearer than 2.2
        ((3000, 400), Placement((1024, 256), (1920, 256))),  # wider than any bucket
    ],
)
def test_placement_with_upscaling(picture: tuple[int, int], expected: Placement) -> None:
    assert place(Bucketing((512, 512)), *picture) == expected


def test_a_tie_goes_to_the_first_bucket() -> None:
    # 72x96 has ratio 0.75, halfway between 64/128 and 64/64.
    assert place(Bucketing((96, 96), True, 64, 128, 64), 72, 96) == Placement((64, 64), (64, 85))


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        ((500, 400), Placement((448, 384), (500, 400))),  # small enough: only cropped to the step
        ((512, 512), Placement((512, 512), (512, 512))),
        # area of 512x512, ratio 1.5: 627.07 x 418.05. By width 576 x 384 (ratio 1.5, exact).
        ((1500, 1000), Placement((576, 384), (576, 384))),
        # 682.67 x 384: by width 640 x (360 -> 320) errs by .22, by height (683 -> 640) x 384 by .11.
        ((1920, 1080), Placement((640, 384), (683, 384))),
        # ratio 27/91: 256 x 832 by width and 256 x 896 by height both err by 1/91; height wins a tie.
        ((540, 1820), Placement((256, 896), (266, 896))),
        # 434.70 x 603.04: by width 384 x (533 -> 512) errs by .03, by height (415 -> 384) x 576 by .05.
        # This one and the next are what sd-scripts' own BucketManager gives too.
        ((909, 1261), Placement((384, 512), (384, 533))),
        ((678, 1763), Placement((256, 640), (256, 666))),
    ],
)
def test_placement_without_upscaling(picture: tuple[int, int], expected: Placement) -> None:
    assert place(Bucketing((512, 512), no_upscale=True), *picture) == expected


@pytest.mark.parametrize("picture", [(300, 40), (40, 40), (4000, 30)])
def test_less_than_one_step_high_has_no_bucket(picture: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="less than one bucket step"):
        place(Bucketing((512, 512), no_upscale=True), *picture)


def test_less_than_one_step_wide_is_a_bucket_of_no_width() -> None:
    assert place(Bucketing((512, 512), no_upscale=True), 40, 300).bucket == (0, 256)


def test_without_buckets_there_is_one_size() -> None:
    bucketing = Bucketing((512, 768), enabled=False)
    assert sizes(bucketing) == [(512, 768)]
    assert place(bucketing, 1000, 1000) == Placement((512, 768), (768, 768))


@given(bucketings())
def test_the_list_keeps_its_bounds(bucketing: Bucketing) -> None:
    assert bucketing.problems() == []
    area = bucketing.resolution[0] * bucketing.resolution[1]
    found = sizes(bucketing)
    assert found == sorted(set(found))
    for width, height in found:
        assert width % bucketing.step == height % bucketing.step == 0
        assert 0 < width * height <= area
        assert (height, width) in found
        smallest, largest = bucketing.snapped
        assert width == height or smallest <= min(width, height) <= max(width, height) <= largest


@given(bucketings(), sides, sides)
def test_the_nearest_ratio_is_taken_and_covered(bucketing: Bucketing, width: int, height: int) -> None:
    placement = place(bucketing, width, height)
    known = sizes(bucketing)
    assert placement.bucket in known
    if (width, height) not in known:
        ratio = width / height
        errors = [abs(size[0] / size[1] - ratio) for size in known]
        assert known.index(placement.bucket) == errors.index(min(errors))
    assert placement.resized[0] >= placement.bucket[0]
    assert placement.resized[1] >= placement.bucket[1]
    assert placement.resized[0] == placement.bucket[0] or placement.resized[1] == placement.bucket[1]


@given(bucketings(no_upscale=True), sides, sides)
def test_nothing_is_enlarged(bucketing: Bucketing, width: int, height: int) -> None:
    try:
        placement = place(bucketing, width, height)
    except ValueError:
        reject()
    area = bucketing.resolution[0] * bucketing.resolution[1]
    assert placement.resized[0] <= width
    assert placement.resized[1] <= height
    assert placement.bucket[0] % bucketing.step == placement.bucket[1] % bucketing.step == 0
    assert all(
        0 <= scaled - side < bucketing.step
        for scaled, side in zip(placement.resized, placement.bucket, strict=True)
    )
    if width * height <= area:
        assert placement.resized == (width, height)
    else:
        # half a pixel of rounding on each side is all there is above the area
        assert placement.bucket[0] * placement.bucket[1] <= area + width + height


@pytest.mark.parametrize(
    ("bucketing", "key"),
    [
        (Bucketing((512, 512), smallest=576), "min_bucket_reso"),
        (Bucketing((512, 768), smallest=513 + 64), "min_bucket_reso"),
        (Bucketing((1024, 1152), largest=1024), "max_bucket_reso"),
        (Bucketing((512, 512), smallest=32), "min_bucket_reso"),
        (Bucketing((512, 512), step=0), "bucket_reso_steps"),
        (Bucketing((512, 512), step=32), "bucket_reso_steps"),
        (Bucketing((512, 512), step=144), "bucket_reso_steps"),
        (Bucketing((512, 0), enabled=False), "resolution"),
        (Bucketing((1152, 896), largest=1024, no_upscale=True), "max_bucket_reso"),
    ],
)
def test_problems_name_the_key_and_a_value_that_mends_them(bucketing: Bucketing, key: str) -> None:
    (problem,) = bucketing.problems(64)
    assert problem.key == key
    if (number := re.search(r"\d+", problem.fix)) and (field := FIELDS.get(key)):
        changed: dict[str, Any] = {field: int(number[0])}
        followed = replace(bucketing, **changed)
        assert followed.problems(64) == []


@pytest.mark.parametrize(
    "bucketing",
    [
        Bucketing((512, 512), smallest=513),  # floored to 512
        Bucketing((1024, 1024), largest=1000),  # ceiled to 1024
        Bucketing((512, 512), smallest=32, no_upscale=True),  # chooses nothing
        Bucketing((512, 512), False, 4000, 1, 0),  # without buckets the rest means nothing
    ],
)
def test_no_problem(bucketing: Bucketing) -> None:
    assert bucketing.problems(64) == []


@pytest.mark.parametrize("size", [(0, 64), (64, 0), (-1, 64)])
def test_what_is_no_size_has_no_bucket(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="has no bucket"):
        place(Bucketing((512, 512)), *size)
