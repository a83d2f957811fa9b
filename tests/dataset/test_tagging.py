"""Tags by a tiny ONNX model with the inputs and outputs of the real ones; the three-caption layout."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from loratui.dataset import history
from loratui.dataset.captions import read_caption
from loratui.dataset.checking.checks import check
from loratui.dataset.mending.entries import read_entries
from loratui.dataset.mending.tagging import Choice, plan_tags, tag_all, wanted, words
from loratui.dataset.mending.variants import plan_variants
from loratui.dataset.scan import scan
from loratui.dataset.tagger import Tag, Tagger, locate, prepare
from loratui.problems import UserError
from tests.support.taggers import make_tagger


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx")
    return make_tagger(tmp_path_factory.mktemp("tagger"))


@pytest.fixture
def root(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "set" / "10_x"
    folder.mkdir(parents=True)
    for name, colour in (("red", (250, 0, 0)), ("blue", (0, 0, 250)), ("grey", (120, 120, 120))):
        Image.new("RGB", (64, 64), colour).save(folder / f"{name}.png")
    (folder / "grey.txt").write_text("old, words")
    return tmp_path / "set"


def test_a_picture_is_prepared_as_the_cards_say() -> None:
    found = prepare(Image.new("RGBA", (20, 10), (255, 0, 0, 255)), 20)
    assert found.shape == (20, 20, 3) and found.dtype == "float32"
    assert found[10, 10].tolist() == [0, 0, 255]  # blue-green-red
    assert found[0, 0].tolist() == [255, 255, 255]  # padded with white
    assert prepare(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), 8).min() == 255  # transparency is white


def test_which_tags_become_words() -> None:
    tags = [Tag("safe", 9, 1.0), Tag("long_hair", 0, 0.9), Tag("^_^", 0, 0.8), Tag("miku", 4, 0.5)]
    assert words(tags, Choice()) == ["miku", "long hair", "^_^"]
    assert words(tags, Choice(character=0.85)) == ["long hair", "^_^"]
    assert words(tags, Choice(general=0.85, underscores=True, character_first=False)) == ["long_hair", "miku"]
    assert words(tags, Choice(undesired=frozenset({"long hair"}))) == ["miku", "^_^"]


def test_tagging_makes_a_step_and_goes_on_after_a_kill(root: Path, model: Path, tmp_path: Path) -> None:
    entries = read_entries(history.begin(root))
    choice = Choice(general=0.9, character=0.9)
    chosen = wanted(entries, choice)
    assert [entry.stem for entry in chosen] == ["blue", "red"]
    tags = tag_all(entries, chosen, lambda: Tagger(model), "m", tmp_path / "memory")
    step = history.apply(plan_tags(entries, tags, choice, str(model)))
    assert (step.folder / "10_x/red.txt").read_text() == "red queen\n"
    assert (step.folder / "10_x/grey.txt").read_text() == "old, words"
    assert not (root / "10_x/red.txt").exists()
    # The last line was cut by a kill: only that picture is looked at again, the others from memory.
    (memory,) = (tmp_path / "memory").iterdir()
    memory.write_bytes(memory.read_bytes()[:-9])
    looked: list[int] = []

    def again() -> Tagger:
        tagger = Tagger(model)
        tag = tagger.tag
        tagger.tag = lambda pictures, least=0.0: looked.append(len(pictures)) or tag(pictures, least)  # type: ignore[method-assign, func-returns-value]
        return tagger

    assert tag_all(entries, chosen, again, "m", tmp_path / "memory") == tags
    assert looked == [1]
    history.undo(root)
    assert history.current(root) == root


def test_append_keeps_what_was_there(root: Path, model: Path, tmp_path: Path) -> None:
    entries = read_entries(history.begin(root))
    choice = Choice(general=0.4, mode="append", character_first=False)
    tags = tag_all(entries, wanted(entries, choice), lambda: Tagger(model), "m", tmp_path / "memory")
    plan = plan_tags(entries, tags, choice, "m")
    written = plan.put["10_x/grey.txt"]
    assert isinstance(written, history.Written) and written.data.startswith(b"old, words, ")


def test_what_is_no_tagger_is_refused(tmp_path: Path, model: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        locate(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"selected_tags\.csv"):
        Tagger(tmp_path)
    (tmp_path / "selected_tags.csv").write_text((model / "selected_tags.csv").read_text())
    (tmp_path / "model.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match="cannot be loaded"):
        Tagger(tmp_path)


def test_three_captions_for_each_picture(root: Path, model: Path, tmp_path: Path) -> None:
    (root / "10_x/red.txt").write_text("A red square lies in the middle of nothing")
    entries = read_entries(history.begin(root))
    step = history.apply(plan_variants(entries))
    found = scan(step.folder)
    said = {
        (picture.path.parent.name, picture.path.stem): read_caption(picture)
        for picture in found.train_pictures
        if picture.caption_path
    }
    assert {picture.repeats for picture in found.train_pictures} == {10}
    assert len(found.train_pictures) == 9
    assert [said["10_empty", stem] for stem in ("red", "blue", "grey")] == ["", "", ""]
    assert said["10_wd", "grey"] == "old, words"
    assert said["10_kosmos", "red"].startswith("A red square")
    # What is meant so is no fault.
    codes = {finding.code for finding in check(step.folder, cache=tmp_path / "cache").findings}
    assert not codes & {"caption_empty", "duplicate_exact", "duplicate_near"}
    assert "caption_missing" in codes
    # The tagger then fills its own folder alone.
    entries = read_entries(history.begin(root))
    choice = Choice(general=0.9, character=0.9)
    assert {entry.folder for entry in wanted(entries, choice)} == {"10_wd"}
    with pytest.raises(UserError, match="three folders already"):
        plan_variants(entries)


def test_a_sample_is_drawn_by_its_seed(root: Path) -> None:
    for number in range(20):
        Image.new("RGB", (8, 8)).save(root / "10_x" / f"n{number}.png")
    entries = read_entries(history.begin(root))
    first, same, other = (sorted(plan_variants(entries, 5, 6, seed).put) for seed in (1, 1, 2))
    assert first == same != other
    assert sum(name.startswith("5_wd/") and name.endswith(".png") for name in first) == 6
