"""Operations write new steps; a person's folder is only ever read."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule

from loratui.dataset import history
from loratui.dataset.history import Kept, Made, Plan, Written, record
from loratui.problems import UserError


def contents(folder: Path) -> dict[str, bytes]:
    """Everything below a folder but hidden files."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


def state(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Bytes, mode and time of change of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def hero(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "data" / "hero"
    for name in ("10_a/1.png", "10_a/2.png", "3_b/1.png"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels of " + name.encode())
        path.with_suffix(".txt").write_text(f"words of {name}")
    return folder


def write(folder: Path, name: str = "10_a/1.txt", words: str = "new words") -> history.Step:
    base = history.begin(folder)
    return history.apply(Plan(base, "edit", "one caption", {name: Written(words.encode())}))


def test_a_step_lies_beside_the_folder_and_the_folder_stays(hero: Path) -> None:
    before = state(hero)
    step = write(hero)
    assert step.folder == hero.parent / "hero.steps" / "01_edit"
    assert state(hero) == before
    assert contents(step.folder) == contents(hero) | {"10_a/1.txt": b"new words"}
    assert history.current(hero) == step.folder
    assert (hero.parent / "hero.steps" / "current").resolve() == step.folder
    # Pictures cost no room; captions are files of their own.
    assert (step.folder / "10_a/1.png").samefile(hero / "10_a/1.png")
    assert not (step.folder / "10_a/2.txt").samefile(hero / "10_a/2.txt")
    assert (step.folder / "10_a/2.txt").stat().st_mtime_ns == (hero / "10_a/2.txt").stat().st_mtime_ns


def test_undo_and_redo_walk_the_line_that_led_here(hero: Path) -> None:
    steps = [write(hero, words=words) for words in ("one", "two")]
    left, now = history.undo(hero)
    assert (left.number, now.number, history.current(hero)) == (2, 1, steps[0].folder)
    third = write(hero, words="three")
    assert (third.number, third.parent) == (3, 1)
    assert history.undo(hero)[1].number == 1
    assert history.redo(hero).number == 3
    assert history.undo(hero, to=2)[1].number == 2
    assert history.undo(hero, to=0)[1].folder == hero
    assert history.current(hero) == hero
    with pytest.raises(UserError, match="nothing to undo"):
        history.undo(hero)
    assert history.redo(hero).number == 1
    with pytest.raises(UserError, match=r"no step 7.*There are: 0, 1, 2, 3"):
        history.undo(hero, to=7)


def test_files_can_be_moved_doubled_dropped_and_made(hero: Path) -> None:
    base = history.begin(hero)
    step = history.apply(
        Plan(
            base,
            "Three of Everything!",
            "moved",
            {
                "10_wd/1.png": Kept("10_a/1.png"),
                "10_wd/2.png": Kept("10_a/1.png"),
                "10_wd/3.webp": Made(lambda path: path.write_bytes(b"made")),
            },
            frozenset({"10_a/1.png", "3_b/1.png", "3_b/1.txt"}),
        )
    )
    assert step.folder.name == "01_three-of-everything"
    assert step.record is not None and set(step.record.dropped) == {"10_a/1.png", "3_b/1.png", "3_b/1.txt"}
    assert sorted(contents(step.folder)) == [
        "10_a/1.txt",
        "10_a/2.png",
        "10_a/2.txt",
        "10_wd/1.png",
        "10_wd/2.png",
        "10_wd/3.webp",
    ]
    assert (step.folder / "10_wd/2.png").samefile(hero / "10_a/1.png")


@pytest.mark.parametrize(
    "name", ["../x.txt", "/x.txt", "10_a/../../x", "", "10_a//x", ".hidden", "a/\0", "n" * 256]
)
def test_no_name_leads_out_of_a_step(hero: Path, name: str) -> None:
    with pytest.raises(UserError, match="no name for a file"):
        write(hero, name)
    assert not (hero.parent / "hero.steps").exists()


def test_a_maker_that_fails_leaves_nothing(hero: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    write(hero)
    plan = Plan(history.begin(hero), "convert", "x", {"10_a/9.png": Made(fail)})
    with pytest.raises(UserError, match=r"No space left on device.*Nothing was changed"):
        history.apply(plan)
    names = {path.name for path in (hero.parent / "hero.steps").iterdir()}
    assert names == {"01_edit", "current", ".lock", ".loratui-history.json"}
    assert history.find(hero).number == 1


def test_what_was_changed_since_the_preview_is_not_run_over(hero: Path) -> None:
    plan = Plan(history.begin(hero), "edit", "x", {"10_a/1.txt": Written(b"from the preview")})
    (hero / "10_a/1.txt").write_text("typed by the person meanwhile")
    with pytest.raises(UserError, match=r"10_a/1.txt was changed since this preview"):
        history.apply(plan)
    plan = Plan(history.begin(hero), "edit", "x", {"10_a/1.txt": Written(b"from the preview")})
    write(hero)
    with pytest.raises(UserError, match="step 1 counts by now"):
        history.apply(plan)


def test_changes_of_the_folder_are_told_and_taken_in(hero: Path) -> None:
    write(hero, "10_a/1.txt", "edited in the step")
    assert not history.changes(history.begin(hero))
    (hero / "10_a/1.txt").write_text("edited in the folder")
    (hero / "10_a/2.txt").write_text("edited there alone")
    (hero / "10_a/new.png").write_bytes(b"new")
    (hero / "3_b/1.png").unlink()
    since = history.changes(history.begin(hero))
    assert since == history.Changes(("10_a/new.png",), ("10_a/1.txt", "10_a/2.txt"), ("3_b/1.png",))
    assert str(since).startswith("1 new (like 10_a/new.png), 2 changed (like 10_a/1.txt), 1 gone")
    refreshed = history.refresh(history.begin(hero))
    assert refreshed.both == ("10_a/1.txt",)
    step = history.apply(refreshed.plan)
    found = contents(step.folder)
    assert found["10_a/1.txt"] == b"edited in the step" and found["10_a/2.txt"] == b"edited there alone"
    assert "10_a/new.png" in found and "3_b/1.png" not in found
    assert not history.changes(history.begin(hero))


def test_another_folder_of_the_same_name_is_not_given_this_history(hero: Path) -> None:
    write(hero)
    hero.rename(hero.with_name("old hero"))
    (hero / "10_z").mkdir(parents=True)
    (hero / "10_z" / "z.png").write_bytes(b"z")
    for call in (history.current, history.begin):
        with pytest.raises(UserError, match=r"hero.steps is the history of a folder that lay here before"):
            call(hero)


def test_the_steps_outlive_the_folder_and_move_with_it(hero: Path) -> None:
    step = write(hero)
    moved = hero.parent.rename(hero.parent.with_name("elsewhere"))
    assert history.current(moved / "hero") == moved / "hero.steps" / step.folder.name
    (moved / "hero").rename(moved / "renamed")
    assert history.current(moved / "hero") == moved / "hero.steps" / step.folder.name
    assert history.current(moved / "renamed") == moved / "renamed"
    with pytest.raises(UserError, match="this folder is gone"):
        history.undo(moved / "hero")
    assert write(moved / "hero").number == 2


def test_a_deleted_step_is_told_and_undo_goes_around_it(hero: Path) -> None:
    first, second, third = (write(hero, words=words) for words in ("1", "2", "3"))
    shutil.rmtree(second.folder)
    assert history.undo(hero)[1].number == first.number
    history.undo(hero, to=3)
    shutil.rmtree(third.folder)
    for call in (history.current, history.begin):
        with pytest.raises(UserError, match=r"03_edit, was deleted.*loratui dataset undo"):
            call(hero)
    assert history.undo(hero)[1].number == 1
    assert write(hero).number == 2


def test_a_step_named_as_such_is_taken_as_it_is(hero: Path) -> None:
    first, second = write(hero, words="1"), write(hero, words="2")
    steps = hero.parent / "hero.steps"
    assert history.current(first.folder) == first.folder
    assert history.current(steps) == second.folder
    assert history.find(steps / "current").number == 2
    assert history.begin(steps / "current").root == second.folder
    with pytest.raises(UserError, match=r"this step does not count; 02_edit does.*--to 01"):
        history.begin(first.folder)


def test_a_numbered_folder_offers_its_parent(hero: Path) -> None:
    with pytest.raises(UserError, match=f"Give {hero} instead"):
        history.begin(hero / "10_a")
    with pytest.raises(UserError, match="no such folder"):
        history.begin(hero / "nothing")


def test_where_nothing_can_be_made_beside_it_the_steps_go_home(hero: Path, home: Path) -> None:
    (hero.parent / "hero.steps").mkdir()
    (hero.parent / "hero.steps" / "mine.txt").write_text("a folder of the person")
    step = write(hero)
    assert step.folder.parent.parent == home / "datasets"
    assert history.current(hero) == step.folder
    assert contents(hero.parent / "hero.steps") == {"mine.txt": b"a folder of the person"}


def test_links_are_carried_as_what_they_point_to(hero: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "far.png").write_bytes(b"far")
    (outside / "far.txt").write_text("far words")
    (hero / "10_a/far.png").symlink_to(outside / "far.png")
    (hero / "10_a/far.txt").symlink_to(outside / "far.txt")
    (hero / "10_a/nowhere.png").symlink_to(outside / "nothing")
    (hero / "5_linked").symlink_to(outside)
    (hero / "7_loop").symlink_to(hero)
    (hero / "10_a/1.npz").write_bytes(b"latents")
    (hero / ".hidden").write_text("x")
    os.mkfifo(hero / "10_a/pipe.png")
    base = history.begin(hero)
    assert base.listing.left_out["10_a/nowhere.png"] == base.listing.left_out["10_a/pipe.png"] == "no file"
    assert base.listing.left_out[".hidden"] == "hidden" and base.listing.left_out["10_a/1.npz"] == "cache"
    step = history.apply(Plan(base, "edit", "x", {"10_a/far.txt": Written(b"changed")}))
    assert not (step.folder / "10_a/far.png").is_symlink()
    assert (step.folder / "5_linked/far.png").read_bytes() == b"far"
    assert not any(path.is_symlink() for path in step.folder.rglob("*"))
    assert (outside / "far.txt").read_text() == "far words"


HOSTILE = [
    b"line\nbreak",
    b"[red]markup",
    b"\x1b[31mansi\x07",
    b"\xff\xfe no utf-8",
    b"n" * 251,
    b"-rf",
    b"a'b\"c $(x)",
]


def test_hostile_names(tmp_path: Path, home: Path) -> None:
    folder = Path(os.fsdecode(bytes(tmp_path) + b"/[bold]\n\xff"))
    (folder / "10_a").mkdir(parents=True)
    for stem in HOSTILE:
        for suffix in (b".png", b".txt"):
            with open(os.path.join(bytes(folder), b"10_a", stem + suffix), "wb") as file:  # noqa: PTH118, PTH123
                file.write(stem)
    (folder / "10_locked").mkdir(mode=0)
    before = {name: (folder / name).read_bytes() for name in history.begin(folder).listing.files}
    assert len(before) == 2 * len(HOSTILE)
    victim = sorted(before)[1]
    step = history.apply(
        Plan(history.begin(folder), "edit", "x", {victim: Written(b"x")}, frozenset({min(before)}))
    )
    assert step.record is not None and step.record.dropped == (min(before),)
    assert history.find(folder).current.record == step.record
    history.undo(folder)
    assert {name: (folder / name).read_bytes() for name in history.begin(folder).listing.files} == before


NAMES = st.sampled_from(["10_a/1", "10_a/2", "10_b/1", "10_c/x y"])


@settings(max_examples=12, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck))
class Operations(RuleBasedStateMachine):
    """Any sequence of operations: the person's folder never changes, every step stays as it was made, and
    undo goes back to it byte for byte."""

    made = Bundle("made")

    def __init__(self) -> None:
        super().__init__()
        # In memory where there is such a place, since every step is brought to the disk.
        self.root = Path(tempfile.mkdtemp(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
        os.environ["LORATUI_HOME"] = str(self.root / "home")
        self.folder = self.root / "set"
        (self.folder / "10_a").mkdir(parents=True)
        for number in (1, 2):
            (self.folder / f"10_a/{number}.png").write_bytes(bytes([number]))
            (self.folder / f"10_a/{number}.txt").write_text(f"caption {number}")
        self.first = state(self.folder)
        self.known = {0: contents(self.folder)}
        self.now = 0

    @rule(name=NAMES, words=st.text(max_size=5))
    def write(self, name: str, words: str) -> None:
        self._apply({f"{name}.txt": Written(words.encode("utf-8", "replace"))}, frozenset())

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        names = sorted(self.known[self.now])
        if names:
            self._apply({}, frozenset({data.draw(st.sampled_from(names))}))

    @rule(data=st.data(), name=NAMES)
    def move(self, data: st.DataObject, name: str) -> None:
        names = sorted(self.known[self.now])
        if names:
            old = data.draw(st.sampled_from(names))
            self._apply({name + Path(old).suffix: Kept(old)}, frozenset({old}))

    @rule()
    def undo(self) -> None:
        if self.now:
            self.now = history.undo(self.folder)[1].number

    @rule()
    def redo(self) -> None:
        if history.find(self.folder).after is not None:
            self.now = history.redo(self.folder).number

    def _apply(self, put: dict[str, history.Source], drop: frozenset[str]) -> None:
        plan = Plan(history.begin(self.folder), "op", "x", put, drop)
        expected = {name: data for name, data in self.known[self.now].items() if name not in drop}
        for name, source in put.items():
            if isinstance(source, Written):
                expected[name] = source.data
            elif isinstance(source, Kept):
                expected[name] = self.known[self.now][source.name]
        step = history.apply(plan)
        assert contents(step.folder) == expected
        # What is missing is written down, and lies in the step before.
        assert step.record is not None
        assert set(step.record.dropped) == set(self.known[self.now]) - set(expected)
        self.known[step.number] = expected
        self.now = step.number

    @invariant()
    def nothing_is_lost(self) -> None:
        assert state(self.folder) == self.first
        for step in history.find(self.folder).steps:
            assert contents(step.folder) == self.known[step.number]
        assert contents(history.current(self.folder)) == self.known[self.now]

    def teardown(self) -> None:
        shutil.rmtree(self.root)
        os.environ.pop("LORATUI_HOME", None)


TestOperations = Operations.TestCase


@given(st.text(), st.integers(min_value=0))
def test_any_text_is_a_record(words: str, number: int) -> None:
    made = record.Record(number, "x", words, "2026", (1, 2), 3, (words, "\udcff"))
    with tempfile.TemporaryDirectory() as folder:
        record.write(Path(folder), made, {"\udcff": history.Stamp(1, 2)})
        assert record.read(Path(folder)) == made
        assert record.read_origin(Path(folder)) == {"\udcff": history.Stamp(1, 2)}
        for name in (record.RECORD, record.ORIGIN):
            (Path(folder) / name).write_bytes(b"{" + words.encode("utf-8", "replace"))
        assert record.read(Path(folder)) is None and record.read_origin(Path(folder)) == {}
