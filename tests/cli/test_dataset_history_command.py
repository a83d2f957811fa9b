"""``loratui dataset history undo redo refresh``, and how check and steps look at the step that counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.dataset import history
from loratui.dataset.history import Plan, Written
from loratui.engines.current_set import on_current_steps
from loratui.problems import UserError
from loratui.recipe import Dataset, Recipe
from tests.conftest import Call
from tests.support.pictures import make_dataset, squares


@pytest.fixture
def hero(tmp_path: Path, home: Path) -> Path:
    folder = make_dataset(tmp_path / "my hero", {"10_x": squares(2)})
    (folder / "10_x" / "512_0.txt").write_text("a, b")
    return folder


def write(folder: Path, words: str) -> history.Step:
    put = {"10_x/512_0.txt": Written(words.encode())}
    return history.apply(Plan(history.begin(folder), "add front", f"{words} in front", put))


def test_history_undo_and_redo(hero: Path, call: Call) -> None:
    steps = [write(hero, words) for words in ("one", "two")]
    code, out, _ = call("dataset", "history", hero)
    assert code == 0 and "->   2  two in front" in out and "     0  your folder, as it is" in out
    code, found, _ = call("dataset", "history", hero, "--json")
    assert (found["current"], found["folder"]) == (2, str(steps[1].folder))
    assert [(step["number"], step["parent"], step["current"]) for step in found["steps"]] == [
        (0, None, False),
        (1, 0, False),
        (2, 1, True),
    ]
    code, out, said = call("dataset", "undo", hero)
    assert (code, out.strip()) == (0, str(steps[0].folder)) and "Step 2 stays on the disk" in said
    assert call("dataset", "undo", hero, "--to", "0", "--json")[1]["current"] == 0
    with pytest.raises(UserError, match="nothing to undo"):
        call("dataset", "undo", hero)
    assert call("dataset", "redo", hero, "--json")[1]["folder"] == str(steps[0].folder)


def test_check_and_steps_look_at_the_step_that_counts(hero: Path, call: Call) -> None:
    step = write(hero, "ohwx")
    _, found, said = call("check", hero, "--trigger", "ohwx", "--json")
    assert "trigger_missing" not in {finding["code"] for finding in found["findings"]}
    assert f"The current step of its history counts: {step.folder}" in said
    (hero / "10_x" / "512_1.txt").write_text("new")
    _, _, said = call("check", hero, "--json")
    assert (
        "Changed in" in said and "1 new (like 10_x/512_1.txt)" in said and "loratui dataset refresh '" in said
    )
    recipe = Recipe(dataset=Dataset(folder=str(hero)))
    assert on_current_steps(recipe).dataset.folder == str(step.folder)
    history.undo(hero)
    assert on_current_steps(recipe) is recipe


def test_refresh_shows_first_and_then_takes_in(hero: Path, call: Call) -> None:
    write(hero, "ohwx")
    (hero / "10_x" / "512_1.txt").write_text("new")
    _, out, said = call("dataset", "refresh", hero)
    assert "Taken from your folder: 1 new" in out and "Nothing was changed" in said
    assert history.find(hero).number == 1
    _, plan, _ = call("dataset", "refresh", hero, "--yes", "--json")
    assert (plan["applied"], plan["step"], plan["put"]) == (True, 2, ["10_x/512_1.txt"])
    assert Path(plan["folder"], "10_x/512_1.txt").read_text() == "new"
    assert "Nothing to do" in call("dataset", "refresh", hero)[2]
