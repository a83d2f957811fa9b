"""Which pictures are proposed to be kept, and what becomes of the others."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from loratui.dataset import history
from loratui.dataset.history import Kept
from loratui.dataset.mending.duplicates import Picture, bits, find_groups, pictures, plan_dedupe
from loratui.dataset.mending.entries import Entries, read_entries
from loratui.dataset.mending.looking import look_at
from loratui.dataset.mending.mirrored import all_groups
from tests.conftest import Call


def drawing(seed: int, side: int = 256) -> Image.Image:
    dice = random.Random(seed)
    image = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = dice.randrange(side), dice.randrange(side)
        colour = tuple(dice.randrange(256) for _ in range(3))
        draw.ellipse((x, y, x + dice.randrange(20, 120), y + dice.randrange(20, 120)), fill=colour)
    return image


@pytest.fixture
def hero(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "hero"
    (folder / "10_x").mkdir(parents=True)
    (folder / "5_y").mkdir()
    one = drawing(1)
    one.save(folder / "10_x" / "one.png")
    one.resize((128, 128)).save(folder / "10_x" / "one small.jpg", quality=70)
    one.filter(ImageFilter.GaussianBlur(4)).save(folder / "10_x" / "one soft.png")
    (folder / "10_x" / "one small.txt").write_text("the only caption")
    two = drawing(2)
    two.save(folder / "10_x" / "two.png")
    two.save(folder / "10_x" / "two again.png")
    (folder / "10_x" / "two again.txt").write_text("captioned")
    drawing(3).save(folder / "10_x" / "three.png")
    # One picture with two captions, on purpose.
    for part in ("10_x", "5_y"):
        drawing(4).save(folder / part / "four.png")
        (folder / part / "four.txt").write_text(f"words of {part}")
    Image.new("RGB", (256, 256), "white").save(folder / "10_x" / "blank.png")
    Image.new("RGB", (255, 256), "black").save(folder / "10_x" / "blank too.png")
    return folder


def looked(folder: Path) -> tuple[Entries, tuple[Picture, ...]]:
    entries = read_entries(history.begin(folder))
    return entries, pictures(entries, look_at(entries.base, [entry.name for entry in entries.all]))


def test_the_best_of_each_group_is_proposed(hero: Path) -> None:
    entries, found = looked(hero)
    groups = find_groups(found, 90)
    shown = [
        (group.kind, [(m.picture.name.removeprefix("10_x/"), m.keep, m.reason) for m in group.members])
        for group in groups
    ]
    assert shown == [
        ("exact", [("two again.png", True, "has a caption"), ("two.png", False, "the same bytes")]),
        (
            "near",
            [
                ("one.png", True, "the sharpest"),
                ("one soft.png", False, "less sharp"),
                ("one small.jpg", False, "smaller"),
            ],
        ),
    ]
    plan = plan_dedupe(entries, groups)
    names = {"two.png", "one soft.png", "one small.jpg", "one small.txt"}
    assert plan.drop == {f"10_x/{name}" for name in names}
    assert plan.put == {"10_x/one.txt": Kept("10_x/one small.txt")}
    step = history.apply(plan)
    assert (step.folder / "10_x" / "one.txt").read_text() == "the only caption"
    assert not find_groups(looked(hero)[1], 90)


def test_what_a_person_keeps_is_kept(hero: Path) -> None:
    entries, found = looked(hero)
    groups = find_groups(found, 90)
    everything = {member.picture.name for group in groups for member in group.members}
    assert plan_dedupe(entries, groups, everything).is_empty
    assert plan_dedupe(entries, groups, everything - {"10_x/one.png"}).drop == {"10_x/one.png"}
    assert not any(group.kind == "near" for group in find_groups(found, 100))


def test_a_picture_with_several_captions_goes_as_one(hero: Path) -> None:
    drawing(4).save(hero / "10_x" / "four copy.png", compress_level=1)
    entries, found = looked(hero)
    (group,) = [group for group in find_groups(found, 90) if "four" in group.members[0].picture.name]
    plan = plan_dedupe(entries, [group], {"10_x/four copy.png"})
    assert plan.drop == {"10_x/four.png", "10_x/four.txt", "5_y/four.png", "5_y/four.txt"}
    assert plan.put == {"10_x/four copy.txt": Kept("10_x/four.txt")}


@pytest.mark.parametrize(("percent", "count"), [(100, 0), (90, 12), (80, 24), (70, 38)])
def test_percent_of_two_hashes(percent: int, count: int) -> None:
    assert bits(percent) == count


HASHES = st.integers(0, 2**128 - 1)


@given(
    st.lists(HASHES, min_size=1, max_size=3), st.lists(st.sets(st.integers(0, 127), max_size=30), max_size=8)
)
def test_the_laws_of_a_proposal(centres: list[int], flips: list[set[int]]) -> None:
    found = []
    for number, flipped in enumerate(flips):
        value = centres[number % len(centres)]
        for bit in flipped:
            value ^= 1 << bit
        found.append(Picture(f"{number}", 10, 10 + number % 3, 5.0, False, 9, f"{value}", value))
    by_name = {picture.name: picture for picture in found}
    for percent in (100, 90, 80, 70):
        for group in find_groups(found, percent):
            assert group.members[0].keep and len(group.members) > 1
            for member in group.members:
                if member.keep:
                    continue
                # Nothing is left out that does not resemble one that stays.
                like = by_name[member.like]
                assert like in [other.picture for other in group.kept()]
                assert ((like.hash or 0) ^ (member.picture.hash or 0)).bit_count() <= bits(percent)
                assert like.worth > member.picture.worth


def test_ten_thousand_are_grouped_in_seconds() -> None:
    dice = random.Random(1)
    found: list[Picture] = []
    value = 0
    for number in range(10_000):
        value = value ^ (1 << dice.randrange(128)) if number % 10 == 9 else dice.getrandbits(128)
        found.append(Picture(f"{number:05}", 512, 512, 9.0, True, 9, f"{number}", value))
    start = time.process_time()
    assert len(find_groups(found, 90)) == 1_000
    assert time.process_time() - start < 10


def test_the_command(hero: Path, call: Call) -> None:
    _, out, said = call("dataset", "dedupe", hero)
    assert "2 groups of pictures that are the same, or 90 % alike." in out
    assert "keep  10_x/one.png  256x256  (the sharpest)" in out
    assert "drop  10_x/two.png  256x256  (the same bytes, 100 % like 10_x/two again.png)" in out
    assert "with --yes" in said
    _, plan, _ = call("dataset", "dedupe", hero, "--keep", "10_x/one soft.png", "--yes", "--json")
    assert plan["applied"] and plan["drop"] == ["10_x/one small.jpg", "10_x/one small.txt", "10_x/two.png"]
    assert [member["keep"] for member in plan["groups"][1]["members"]] == [True, True, False]


def test_mirrored_copies_are_shown_and_stay_unless_asked(hero: Path, call: Call) -> None:
    folder = hero / "10_x"
    with Image.open(folder / "four.png") as picture:
        picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "turned.png")
    (folder / "turned.txt").write_text("mirrored")
    found = looked(hero)[1]
    assert all_groups(found, 100) == find_groups(found, 100)
    *plain, mirrored = all_groups(found, 90)
    assert tuple(plain) == find_groups(found, 90)
    assert mirrored.kind == "mirrored" and mirrored.kept() == mirrored.members
    assert {member.picture.name for member in mirrored.members} == {"10_x/four.png", "10_x/turned.png"}
    assert [member.percent >= 90 for member in mirrored.members] == [True, True]
    _, out, _ = call("dataset", "dedupe", hero)
    assert "2 groups of pictures" in out and "1 group of mirrored copies" in out
    assert "--mirrored leaves out all but the best" in out
    _, kept, _ = call("dataset", "dedupe", hero, "--json")
    assert not any("turned" in name or "four.png" in name for name in kept["drop"])
    _, asked, _ = call("dataset", "dedupe", hero, "--mirrored", "--json")
    assert len({"10_x/turned.png", "10_x/four.png"} & set(asked["drop"])) == 1


def test_jpeg_noise_is_no_sharpness() -> None:
    drawn = Picture("a.png", 512, 512, 100.0, True, 900, "a", 0)
    noisy = Picture("b.jpg", 512, 512, 103.0, False, 90, "b", 1)
    (group,) = find_groups([noisy, drawn], 90)
    assert [member.picture.name for member in group.kept()] == ["a.png"]
    assert (group.members[0].reason, group.members[1].reason) == ("has a caption", "no caption")
