"""What Enter and the digits lead to, from what is known alone."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.models.inspect import ModelFile
from loratui.problems import Problem
from loratui.recipe import Recipe, Steps, change
from loratui.tui.wizard.answers import mending
from loratui.tui.wizard.answers.ends import SAVE, START, ends
from loratui.tui.wizard.answers.facts import DatasetFacts, read_dataset
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.answers.verdict import Act, Sight, enter, jump
from loratui.tui.wizard.panes.arranging import Unarranged
from loratui.tui.wizard.steps import REVIEW
from tests.support.pictures import make_dataset, squares

MODEL = ModelFile(Path("/m"), "base", "sd15", "epsilon", False, True, ("told",))
NO_ENGINE = Problem("launch.engine", "sd-scripts is not here.", "loratui setup kohya installs it.")
DOUBT = {2: "Not ready, 1 error: it is empty. ctrl+t, then f mends it."}


@pytest.fixture
def ready(tmp_path: Path) -> WizardState:
    """Every question answered, every answer known."""
    folder = make_dataset(tmp_path / "set", {"2_ohwx": squares(2)})
    state = WizardState(
        change(Recipe(steps=Steps(epochs=3)), {"base.model": "/m", "dataset.folder": str(folder)})
    )
    state.take_model("/m", MODEL)
    key = state.wanted_dataset
    assert key is not None
    state.take_dataset(key, read_dataset(*key))
    state.take_checks(state.recipe, ())
    return state


def test_enter_goes_from_step_to_step_and_starts(ready: WizardState) -> None:
    step, path = 1, []
    while (found := enter(ready, step, Sight())).act == "go":
        path.append(step := found.step)
    assert path[0] == 2 and path[-1] == REVIEW and found.act == "start"


def test_what_is_not_known_yet_is_waited_for(ready: WizardState) -> None:
    found = enter(ready, 2, Sight(known=False, doubts=DOUBT))
    assert found.act == "wait" and "goes on by itself" in found.words


def test_a_trigger_that_every_caption_says_is_not_asked_for(ready: WizardState) -> None:
    assert isinstance(ready.dataset, DatasetFacts)
    assert enter(ready, 3, Sight()).step == 4
    ready.set("dataset.trigger", "ohwx")  # the folder's words stand in for captions
    assert enter(ready, 3, Sight()).step == 5


def test_a_doubt_is_said_with_its_keys_and_may_be_waved_through(ready: WizardState) -> None:
    warned = enter(ready, 2, Sight(doubts=DOUBT))
    assert (warned.act, warned.words) == ("warn", f"{DOUBT[2]} ctrl+y goes on all the same.")
    late = enter(ready, REVIEW, Sight(doubts=DOUBT))
    assert late.act == "warn" and late.words.startswith("Step 2: ") and "ctrl+y starts anyway" in late.words
    assert enter(ready, 2, Sight()).act == "go"


def test_a_doubt_speaks_for_a_problem_of_the_same_step(ready: WizardState, tmp_path: Path) -> None:
    (tmp_path / "set" / "2_ohwx" / "broken.png").write_bytes(b"")
    ready.reread_dataset()
    key = ready.wanted_dataset
    assert key is not None
    ready.take_dataset(key, read_dataset(*key))
    early = enter(ready, 2, Sight())
    assert early.act == "refuse" and "broken.png" in early.words and "ctrl+t, then f" in early.words
    assert enter(ready, 2, Sight(doubts=DOUBT)).words == DOUBT[2]


def test_a_plain_folder_is_arranged_without_asking(ready: WizardState) -> None:
    ready.reread_dataset()
    key = ready.wanted_dataset
    assert key is not None
    ready.take_dataset(key, Unarranged("dataset.folder", "pictures lie directly in it."))
    assert enter(ready, 2, Sight()).act == "arrange"


def test_the_engine_is_asked_once_more_before_its_problem_is_said(ready: WizardState) -> None:
    ready.ask_engine_again()
    ready.take_checks(ready.recipe, (NO_ENGINE,))
    assert enter(ready, REVIEW, Sight()).act == "ask again"
    told = enter(ready, REVIEW, Sight(asked_again=True))
    assert told.act == "refuse" and "loratui setup kohya" in told.words
    missing = enter(ready, REVIEW, Sight(asked_again=True, awaited=True))
    assert "d fetches it" in missing.words


def test_review_goes_to_the_step_that_needs_a_person(ready: WizardState) -> None:
    ready.type("steps.epochs", "ten", "whole")
    found = enter(ready, REVIEW, Sight())
    assert (found.act, found.step) == ("return", 5) and "'ten' is not a whole number" in found.words


def test_review_ends_in_what_enter_does(ready: WizardState) -> None:
    """It does not offer a start where something stands in the way."""
    assert ends(ready, Sight()) == ends(ready, Sight(known=False, doubts=DOUBT)) == START
    assert ends(ready, Sight(), saves=True) == SAVE
    assert ends(ready, Sight(doubts=DOUBT)).words == "[ 2: Look at Dataset ]  [ ctrl+y: Start all the same ]"
    ready.take_checks(ready.recipe, (NO_ENGINE,))
    assert ends(ready, Sight()).words == "[ Enter: Go to the first x ]"
    assert ends(ready, Sight(awaited=True)).words == "[ d: Download the model first ]"
    ready.take_checks(ready.recipe, ())
    ready.type("steps.epochs", "ten", "whole")
    assert ends(ready, Sight()).words == "[ Enter: Go to the first x ]"


def test_sides_of_buckets_follow_the_resolution(ready: WizardState) -> None:
    ready.forget("training.bucket_min")
    ready.forget("training.bucket_max")
    for side, least, most in ((64, 64, 1024), (320, 128, 1024), (1024, 256, 1024), (2048, 256, 2048)):
        ready.set("training.resolution", (side, side))
        training = ready.recipe.training
        assert (training.bucket_min, training.bucket_max) == (least, most)
        assert ready.problems(REVIEW) == []


def test_a_side_that_was_chosen_is_named_once_and_mended_by_f(ready: WizardState) -> None:
    ready.set("training.bucket_min", 512)
    ready.set("training.resolution", (320, 320))
    assert [problem.key for problem in ready.problems(REVIEW)] == ["training.bucket_min"]
    assert mending.mendable(ready) and mending.mend(ready)
    assert ready.problems(REVIEW) == [] and ready.recipe.training.bucket_min == 128


def test_a_digit_goes_no_further_than_what_is_in_order(ready: WizardState) -> None:
    assert jump(ready, 1, 4, 3, Sight()) == ""
    assert jump(ready, 1, 6, 3, Sight()) == "First finish step 3."
    assert jump(ready, 2, 3, 6, Sight(doubts=DOUBT)).endswith("ctrl+y goes on all the same.")
    assert jump(ready, 2, 1, 6, Sight(doubts=DOUBT)) == ""
    ready.type("base.model", "")
    assert jump(ready, 1, 2, 6, Sight()) == "First finish step 1."


sights = st.builds(
    Sight,
    known=st.booleans(),
    doubts=st.dictionaries(st.integers(1, REVIEW), st.just("It is not ready."), max_size=2),
    asked_again=st.booleans(),
    awaited=st.booleans(),
)


@given(st.integers(1, REVIEW), sights, st.sampled_from(["", "/nowhere"]))
def test_every_verdict_that_stops_a_person_says_something(step: int, sight: Sight, model: str) -> None:
    state = WizardState(change(Recipe(steps=Steps(epochs=1)), {"base.model": model}))
    found = enter(state, step, sight)
    assert found.act in get_args(Act)
    if found.act in ("wait", "refuse", "warn", "return"):
        assert found.words.rstrip().endswith((".", "…"))
    assert (found.act == "go") == (found.step > step)
