"""``loratui dataset edit`` and ``tags``: a preview, then a step."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from loratui.dataset import history
from loratui.problems import UserError
from tests.conftest import Call
from tests.support.pictures import make_dataset, squares

CAPTIONS = {
    "512_0.txt": b"red hair, smile",
    "512_1.txt": b"\xef\xbb\xbfblue_hair, ohwx, smile,,",
    "512_2.txt": "caf\u00e9, smile".encode("cp1252"),
    "512_3.txt": b"one\r\ntwo, \n",
    "512_4.txt": b"",
}


@pytest.fixture
def hero(tmp_path: Path, home: Path) -> Path:
    folder = make_dataset(tmp_path / "hero", {"10_my hero": squares(6)})
    for name, data in CAPTIONS.items():
        (folder / "10_my hero" / name).write_bytes(data)
    return folder


def captions(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.rglob("*.txt"))}


def test_a_preview_changes_nothing_and_yes_makes_a_step(hero: Path, call: Call) -> None:
    code, out, said = call("dataset", "edit", hero, "--add-front", "ohwx", "--filter", "tag:smile")
    assert code == 0 and "3 pictures shown; 2 captions would change" in out
    assert "- red hair, smile" in out and "+ ohwx, red hair, smile" in out
    assert "1 caption not in UTF-8" in out and "512_2.txt" in out
    assert "with --yes" in said and not (hero.parent / "hero.steps").exists()
    _, plan, _ = call(
        "dataset", "edit", hero, "--add-front", "ohwx", "--filter", "tag:smile", "--yes", "--json"
    )
    assert plan["applied"] and plan["put"] == ["10_my hero/512_0.txt", "10_my hero/512_2.txt"]
    assert plan["changes"][0] == {
        "name": "10_my hero/512_0.txt",
        "before": "red hair, smile",
        "after": "ohwx, red hair, smile",
    }
    assert captions(Path(plan["folder"])) == CAPTIONS | {
        "512_0.txt": b"ohwx, red hair, smile",
        "512_2.txt": "ohwx, caf\u00e9, smile".encode(),
    }
    assert captions(hero) == CAPTIONS


def test_everything_at_once(hero: Path, call: Call) -> None:
    arguments = [
        "--normalise",
        "--spaces",
        "--rename",
        "smile=grin",
        "--remove",
        "*hair",
        "--replace",
        "two=2",
    ]
    arguments += ["--fill", "{folder} {name}", "--add-end", "z", "--trigger", "ohwx", "--dedupe-tags"]
    _, plan, _ = call("dataset", "edit", hero, *arguments, "--yes", "--json")
    assert captions(Path(plan["folder"])) == {
        "512_0.txt": b"ohwx, grin, z",
        "512_1.txt": b"ohwx, grin, z",
        "512_2.txt": "ohwx, caf\u00e9, grin, z".encode(),
        "512_3.txt": b"ohwx, one, 2, z",
        "512_4.txt": b"ohwx, my hero 512 4, z",
        "512_5.txt": b"ohwx, my hero 512 5, z",
    }


def test_other_lines_stay_and_no_caption_becomes_0_bytes(hero: Path, call: Call) -> None:
    _, plan, _ = call("dataset", "edit", hero, "--remove", "one, red hair, smile, ohwx", "--yes", "--json")
    assert captions(Path(plan["folder"])) == CAPTIONS | {
        "512_0.txt": b"\n",
        "512_1.txt": b"blue_hair",
        "512_2.txt": "caf\u00e9".encode(),
        "512_3.txt": b"\r\ntwo, \n",
    }


def test_pictures_are_left_out_with_their_captions(hero: Path, call: Call) -> None:
    _, out, _ = call("dataset", "edit", hero, "--filter", "name:512_0 OR missing:", "--leave-out", "--yes")
    step = history.current(hero)
    assert sorted(path.name for path in step.rglob("*.png")) == ["512_1.png", "512_2.png", "512_3.png"]
    assert sorted(captions(step)) == ["512_1.txt", "512_2.txt", "512_3.txt"]
    assert "3 pictures left out. 5 files left out" in out


def test_tags_by_frequency(hero: Path, call: Call) -> None:
    _, found, _ = call("dataset", "tags", hero, "--json")
    assert [tag for tag in found["tags"] if tag["count"] > 1] == [{"tag": "smile", "count": 3, "meant": ""}]
    assert (found["images"], found["captions"]) == (6, 5)
    _, out, said = call("dataset", "tags", hero, "--filter", "tag:ohwx")
    assert "      1  blue_hair" in out and "3 tags in 1 picture." in said


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--leave-out"],
        ["--leave-out", "--filter", "tag:a", "--add-front", "x"],
        ["--rename", "a"],
        ["--rename", "=b"],
    ],
)
def test_wrong_use(hero: Path, call: Call, wrong: list[str]) -> None:
    with pytest.raises(click.UsageError):
        call("dataset", "edit", hero, *wrong)


def test_what_cannot_be_done_says_why(hero: Path, call: Call) -> None:
    with pytest.raises(UserError, match=r"column 5.*no value"):
        call("dataset", "edit", hero, "--filter", "tag:", "--add-front", "x")
    with pytest.raises(UserError, match=r"\{cat\} stands for nothing.*\{name\}"):
        call("dataset", "edit", hero, "--fill", "a {cat}")
    with pytest.raises(UserError, match="no such folder"):
        call("dataset", "tags", hero / "nowhere")
