from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.advice.counting import Part, count_parts
from loratui.advice.facts import DatasetFacts
from loratui.advice.steps import BucketCount, StepCount, count, count_config
from loratui.dataset.buckets import Bucketing, place
from loratui.dataset.regularization import used_repeats
from loratui.dataset.scan import Picture, Scan
from loratui.problems import UserError
from loratui.recipe import Launch, Recipe, Steps
from tests.support.pictures import Entry, make_dataset, squares

PORTRAIT, LANDSCAPE, TALL, WIDE = (448, 576), (576, 448), (384, 640), (640, 384)


def sized(count: int, size: tuple[int, int]) -> list[Entry]:
    return [(f"{size[0]}x{size[1]}_{index}.png", *size) for index in range(count)]


FIVE_BUCKETS = [
    *squares(4),
    *sized(3, PORTRAIT),
    *sized(2, LANDSCAPE),
    *sized(1, TALL),
    *sized(2, WIDE),
]
BUCKETS: dict[str, Any] = {"resolution": "512", "enable_bucket": True}

# What sd-scripts itself printed for datasets of these counts:
# (subsets, regularization, settings, batches per epoch, epochs, total steps)
PRINTED: dict[str, tuple[Mapping[str, list[Entry]], list[Entry], dict[str, Any], int, int, int]] = {
    "A": ({"10_a": FIVE_BUCKETS}, [], {"train_batch_size": 2, "max_train_epochs": 3}, 60, 3, 180),
    "B": ({"3_a": FIVE_BUCKETS}, [], {"train_batch_size": 4, "max_train_epochs": 10}, 11, 10, 110),
    "C": (
        {"3_a": FIVE_BUCKETS},
        [],
        {"enable_bucket": False, "cache_latents": True, "train_batch_size": 5, "max_train_epochs": 4},
        8,
        4,
        32,
    ),
    "D": (
        {"5_a": [*squares(7), *sized(4, PORTRAIT)]},
        [],
        {"train_batch_size": 2, "gradient_accumulation_steps": 4, "max_train_epochs": 4},
        28,
        4,
        28,
    ),
    "E": (
        {"4_a": [*squares(4), *sized(4, PORTRAIT)]},
        sized(9, LANDSCAPE)[:4] + [(f"p{n}.png", 576, 448) for n in range(4)] + [("q.png", 512, 512)],
        {"train_batch_size": 2, "max_train_epochs": 2},
        33,
        2,
        66,
    ),
    "F": (
        {"2_a": squares(5)},
        squares(30),
        {"train_batch_size": 3, "max_train_epochs": 2},
        7,
        2,
        14,
    ),
    "G": (
        {"10_a": [*squares(5), *sized(3, PORTRAIT)]},
        [],
        {"train_batch_size": 3, "max_train_steps": 100},
        27,
        4,
        100,
    ),
    "H": (
        {"10_a": [*squares(5), *sized(3, PORTRAIT)]},
        [],
        {"train_batch_size": 3, "max_train_steps": 1000, "max_train_epochs": 2},
        27,
        2,
        54,
    ),
    "I": ({"10_a": [*squares(5), *sized(3, PORTRAIT)]}, [], {"train_batch_size": 3}, 27, 60, 1600),
    "J": (
        {"3_a": squares(4), "7_b": [*squares(3), *sized(2, PORTRAIT)]},
        [],
        {"train_batch_size": 3, "max_train_epochs": 5},
        16,
        5,
        80,
    ),
    "K": (
        {"4_a": squares(10)},
        [],
        {"validation_split": 0.2, "validation_seed": 1, "train_batch_size": 2, "max_train_epochs": 5},
        16,
        5,
        80,
    ),
}


def counted(
    tmp_path: Path,
    subsets: Mapping[str, list[Entry]],
    regularization: list[Entry] | None = None,
    script: str = "train_network",
    **settings: Any,
) -> StepCount:
    flat = {"train_data_dir": str(make_dataset(tmp_path / "train", subsets)), **settings}
    if regularization:
        flat["reg_data_dir"] = str(make_dataset(tmp_path / "reg", {"1_class": regularization}))
    return count_config(flat, script)


@pytest.mark.parametrize("case", PRINTED)
def test_what_sd_scripts_printed(tmp_path: Path, case: str) -> None:
    subsets, regularization, settings, batches, epochs, total = PRINTED[case]
    found = counted(tmp_path, subsets, regularization, **{**BUCKETS, **settings})
    assert (found.batches_per_epoch, found.epochs, found.total_steps) == (batches, epochs, total)
    assert found.problems == ()


def test_everything_of_one_count_by_hand(tmp_path: Path) -> None:
    # no_upscale, step 64, area 512x512. Training 2 x (700x700 -> 512x512, 300x200 -> 256x192) = 4;
    # regularization 1 x three of 512x512, shown 2, 1, 1 times.
    found = counted(
        tmp_path,
        {"2_hero": [("a.png", 700, 700), ("b.png", 300, 200)], "skipped": squares(5)},
        squares(3),
        **BUCKETS,
        bucket_no_upscale=True,
        train_batch_size=4,
        gradient_accumulation_steps=2,
        max_train_steps=7,
    )
    assert found == StepCount(
        train_images=2,
        train_images_repeated=4,
        reg_images=3,
        reg_images_used=4,
        buckets=(BucketCount(256, 192, 2), BucketCount(512, 512, 6)),
        batches_per_epoch=3,
        steps_per_epoch=2,
        epochs=4,
        total_steps=7,
        problems=(),
    )


def test_random_datasets_by_the_rules_in_words(tmp_path: Path) -> None:
    random = Random(2)
    for number in range(25):
        subsets = {
            f"{random.randint(1, 9)}_{index}": [
                (f"{picture}.png", random.randint(64, 1500), random.randint(64, 1500))
                for picture in range(random.randint(1, 12))
            ]
            for index in range(random.randint(1, 3))
        }
        batch, accumulation, epochs = random.randint(1, 6), random.randint(1, 4), random.randint(1, 9)
        found = counted(
            tmp_path / str(number),
            subsets,
            **BUCKETS,
            train_batch_size=batch,
            gradient_accumulation_steps=accumulation,
            max_train_epochs=epochs,
        )
        shown: list[tuple[int, int]] = []
        for name, pictures in subsets.items():
            for _, width, height in pictures:
                bucket = place(Bucketing((512, 512)), width, height).bucket
                shown += [bucket] * int(name.partition("_")[0])
        batches = sum(math.ceil(shown.count(bucket) / batch) for bucket in set(shown))
        assert found.train_images_repeated == len(shown)
        assert {(b.width, b.height): b.images for b in found.buckets} == {b: shown.count(b) for b in shown}
        assert found.total_steps == epochs * math.ceil(batches / accumulation)


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"resolution": None}, "resolution"),
        ({"resolution": "512x512"}, "resolution"),
        ({"resolution": "0"}, "resolution"),
        ({"resolution": 512}, "resolution"),
        ({"resolution": [512, 512]}, "resolution"),
        ({"train_batch_size": "2"}, "train_batch_size"),
        ({"train_batch_size": 0}, "train_batch_size"),
        ({"gradient_accumulation_steps": 0}, "gradient_accumulation_steps"),
        ({"enable_bucket": "false"}, "enable_bucket"),
        ({"max_train_epochs": "2"}, "max_train_epochs"),
        ({"max_train_epochs": 2.5}, "max_train_epochs"),
        ({"max_train_epochs": 0}, "max_train_epochs"),
        ({"max_train_steps": 0}, "max_train_steps"),
        ({"min_bucket_reso": 576}, "min_bucket_reso"),
        ({"max_bucket_reso": 448}, "max_bucket_reso"),
        ({"bucket_reso_steps": 32}, "bucket_reso_steps"),
        ({"bucket_reso_steps": 128, "bucket_no_upscale": True, "resolution": "200"}, "min_bucket_reso"),
        ({"enable_bucket": False}, "enable_bucket"),
        ({"validation_split": 0.5}, "validation_seed"),
    ],
)
def test_what_would_end_the_run_is_named(tmp_path: Path, settings: dict[str, Any], key: str) -> None:
    settings = {name: value for name, value in {**BUCKETS, **settings}.items() if value is not None}
    found = counted(tmp_path, {"1_a": sized(3, PORTRAIT)}, **settings)
    assert [problem.key for problem in found.problems] == [key]
    assert found.problems[0].fix or "must be" in found.problems[0].message


@pytest.mark.parametrize(
    ("script", "step", "fine"),
    [
        ("train_network", 64, True),
        ("train_network", 32, False),
        ("sdxl_train_network.py", 32, True),
        ("sdxl_train_network", 16, False),
        ("flux_train_network", 32, True),
        ("lumina_train_network", 16, True),
        ("anima_train_network", 8, False),
    ],
)
def test_the_bucket_step_of_each_script(tmp_path: Path, script: str, step: int, fine: bool) -> None:
    found = counted(tmp_path, {"1_a": squares(1)}, None, script, **BUCKETS, bucket_reso_steps=step)
    assert (found.problems == ()) is fine


def test_a_picture_without_a_bucket_is_named(tmp_path: Path) -> None:
    found = counted(tmp_path, {"1_a": [("thin.png", 300, 40)]}, **BUCKETS, bucket_no_upscale=True)
    assert "1_a/thin.png (300x40)" in found.problems[0].message
    assert found.total_steps == 0
    assert found.train_images == 1


def test_an_unreadable_picture_is_named_and_the_rest_counted(tmp_path: Path) -> None:
    make_dataset(tmp_path / "train", {"1_a": squares(2)})
    (tmp_path / "train" / "1_a" / "broken.png").write_bytes(b"x")
    found = counted(tmp_path, {}, **BUCKETS, max_train_epochs=1)
    assert "1_a/broken.png" in found.problems[0].message
    assert found.total_steps == 2


def test_cached_latents_of_the_script_override_sizes(tmp_path: Path) -> None:
    folder = make_dataset(tmp_path / "train", {"1_a": squares(1)}) / "1_a"
    (folder / "512_0_0768x0320_sd.npz").write_bytes(b"")
    assert counted(tmp_path, {}, **BUCKETS).buckets == (BucketCount(768, 320, 1),)
    assert counted(tmp_path, {}, None, "sdxl_train_network", **BUCKETS).buckets == (BucketCount(512, 512, 1),)


@pytest.mark.parametrize(
    ("flat", "words"),
    [
        ({"resolution": "512"}, "no folder of pictures"),
        ({"resolution": "512", "dataset_config": "d.toml"}, "no such file"),
        ({"resolution": "512", "train_data_dir": "/nowhere/at/all"}, "no such folder"),
    ],
)
def test_without_pictures_there_is_no_count(flat: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        count_config(flat, "train_network")


def test_a_split_that_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="leaves no picture"):
        counted(tmp_path, {"1_a": squares(2)}, **BUCKETS, validation_split=1.0, validation_seed=1)


@pytest.mark.parametrize(("processes", "batches", "steps"), [(1, 5, 3), (2, 3, 2), (3, 2, 1), (9, 1, 1)])
def test_processes_share_the_batches(processes: int, batches: int, steps: int) -> None:
    pictures = tuple(Picture(Path(f"{n}.png"), 512, 512, 1, None, "", False) for n in range(10))
    found = count(Scan(Path(), pictures, (), ()), Bucketing((512, 512)), 2, 2, 4, None, processes)
    assert (found.batches_per_epoch, found.steps_per_epoch, found.total_steps) == (batches, steps, 4 * steps)
    recipe = Recipe(
        steps=Steps(epochs=4, batch_size=2, accumulation=2), launch=Launch(num_processes=processes)
    )
    assert DatasetFacts.of(found).total_steps(recipe) == found.total_steps


@pytest.mark.parametrize(
    ("batch_size", "bucketing", "key"),
    [
        (0, Bucketing((512, 512)), "train_batch_size"),
        (2, Bucketing((512, 512), largest=256), "max_bucket_reso"),
    ],
)
def test_one_dataset_of_two_that_cannot_be_counted_ends_the_count(
    batch_size: int, bucketing: Bucketing, key: str
) -> None:
    scan = Scan(Path(), (Picture(Path("0.png"), 512, 512, 1, None, "", False),), (), ())
    sound, wrong = Part(scan, Bucketing((512, 512)), 2), Part(scan, bucketing, batch_size)
    assert count_parts([sound, sound], 1, 3, None).total_steps == 6
    for parts in ([sound, wrong], [wrong, sound]):
        found = count_parts(parts, 1, 3, None)
        assert [problem.key for problem in found.problems] == [key]
        assert (found.train_images, found.total_steps, found.buckets) == (2, 0, ())


@st.composite
def scans(draw: st.DrawFn) -> Scan:
    numbers = st.tuples(st.integers(64, 1500), st.integers(64, 1500), st.integers(1, 9), st.booleans())
    rows = [(512, 512, 1, False), *draw(st.lists(numbers, max_size=20))]
    return Scan(
        Path(),
        tuple(Picture(Path(f"{n}.png"), w, h, r, None, "", reg) for n, (w, h, r, reg) in enumerate(rows)),
        (),
        (),
    )


small = st.integers(1, 9)


@given(
    scans(),
    st.booleans(),
    small,
    small,
    st.one_of(st.none(), small),
    st.one_of(st.none(), st.integers(1, 999)),
)
def test_the_numbers_fit_each_other(
    scan: Scan, no_upscale: bool, batch: int, accumulation: int, epochs: int | None, max_steps: int | None
) -> None:
    bucketing = Bucketing((512, 512), no_upscale=no_upscale)
    found = count(scan, bucketing, batch, accumulation, epochs, max_steps)
    assert found.problems == ()
    images = [bucket.images for bucket in found.buckets]
    assert (
        sum(images) == found.train_images_repeated + found.reg_images_used == sum(used_repeats(scan).values())
    )
    assert found.batches_per_epoch == sum(-(-number // batch) for number in images)
    assert found.steps_per_epoch == -(-found.batches_per_epoch // accumulation)
    assert (
        (found.epochs - 1) * found.steps_per_epoch < found.total_steps <= found.epochs * found.steps_per_epoch
    )
    if epochs is not None:
        assert found.epochs == epochs
    else:
        assert found.total_steps == (1600 if max_steps is None else max_steps)


GENERAL = (
    '[general]\nenable_bucket = true\nnum_repeats = 2\nresolution = [512, 768]\ncaption_extension = "txt"\n'
)
DATASET_CONFIGS: dict[str, tuple[str, dict[str, Any], tuple[int, int, int, int]]] = {
    "regularization and repeats of their own": (
        (
            "[[datasets]]\nresolution = 512\nbatch_size = 2\nenable_bucket = true\n"
            "[[datasets.subsets]]\nimage_dir = 'ROOT/a'\nnum_repeats = 3\nclass_tokens = 'x'\n"
            "[[datasets.subsets]]\nimage_dir = 'ROOT/reg'\nis_reg = true\nnum_repeats = 2\n"
        ),
        {},
        (22, 21, 8, 66),
    ),
    "a subset over its dataset over general over the config": (
        GENERAL + "[[datasets]]\nbatch_size = 3\nmin_bucket_reso = 320\n"
        "[[datasets.subsets]]\nimage_dir = 'ROOT/a'\n"
        "[[datasets.subsets]]\nimage_dir = 'ROOT/b'\nnum_repeats = 5\n"
        "[[datasets]]\nresolution = 384\nbucket_no_upscale = true\n"
        "[[datasets.subsets]]\nimage_dir = 'ROOT/c'\n"
        "[[datasets.subsets]]\nimage_dir = 'ROOT/c'\nnum_repeats = 9\n"
        "[[datasets.subsets]]\nimage_dir = 'ROOT/a'\nnum_repeats = 0\n",
        {"train_batch_size": 4, "flip_aug": True},
        (21, 57, 0, 63),
    ),
    "validation": (
        (
            "[general]\nvalidation_split = 0.25\nvalidation_seed = 4\nenable_bucket = true\n"
            "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'ROOT/c'\nnum_repeats = 2\n"
            "[[datasets]]\nvalidation_split = 0.5\nbatch_size = 2\nbucket_reso_steps = 32\n"
            "[[datasets.subsets]]\nimage_dir = 'ROOT/a'\n"
        ),
        {"resolution": "512,512", "train_batch_size": 4},
        (9, 18, 0, 27),
    ),
}
"""The file, config.toml, and what sd-scripts itself made of them: batches, pictures of both kinds with their
repeats, steps of three epochs."""


@pytest.mark.parametrize("name", DATASET_CONFIGS)
def test_the_count_of_a_dataset_config_is_sd_scripts_own(name: str, tmp_path: Path) -> None:
    sizes = [(512, 512), PORTRAIT, LANDSCAPE, (640, 384), (700, 1000), (1200, 800), (300, 300)]
    for folder, number in (("a", 7), ("b", 5), ("reg", 4), ("c", 9)):
        first = len(folder) + ord(folder[0])
        rows = [(f"{n}.png", *sizes[(3 * n + first) % 7]) for n in range(number)]
        make_dataset(tmp_path, {folder: rows})
    text, flat, wanted = DATASET_CONFIGS[name]
    path = tmp_path / "data.toml"
    path.write_text(text.replace("ROOT", str(tmp_path)))
    found = count_config({**flat, "dataset_config": str(path), "max_train_epochs": 3}, "sdxl_train_network")
    assert found.problems == ()
    assert (found.batches_per_epoch, found.train_images_repeated, found.reg_images) == wanted[:3]
    assert found.total_steps == wanted[3]


def test_a_dataset_config_that_cannot_be_counted_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.toml"
    for text, words in (
        ("[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'ROOT'\nrepeats = 2\n", "repeats"),
        ("[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'ROOT'\n", "no resolution"),
        ("[[datasets]]\nresolution = 64\n[[datasets.subsets]]\nmetadata_file = 'm.json'\n", "no file m.json"),
    ):
        path.write_text(text.replace("ROOT", str(tmp_path)))
        with pytest.raises(UserError, match=words):
            count_config({"dataset_config": str(path)}, "train_network")
