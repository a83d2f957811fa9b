"""A model of the catalogue with all its files, named in a recipe; and a download that is left alone."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from loratui import places
from loratui.engines.checking.checks import file_problems
from loratui.models import catalog, fetching
from loratui.models.download import Fetching
from loratui.models.fetching import Progress
from loratui.models.named import entry_of, located, to_fetch
from loratui.models.remote import Wanted
from loratui.problems import Problem, UserError
from loratui.recipe import Base, Launch, Recipe


def lay(*files: str) -> None:
    places.models_folder().mkdir(parents=True, exist_ok=True)
    for file in files:
        catalog.place_of(file).write_bytes(b"x")


def flux() -> Recipe:
    return Recipe(base=Base(model="flux-dev", family="flux"), launch=Launch(engine="kohya"))


def test_a_name_is_replaced_by_its_file_and_the_parts_filled_in(home: Path) -> None:
    entry = catalog.find("flux-dev")
    lay(entry.file, "ae.safetensors", "clip_l.safetensors")
    found = located(flux())
    assert found.base.model == str(home / "models" / "flux1-dev.safetensors")
    assert found.kohya == {
        "ae": str(home / "models" / "ae.safetensors"),
        "clip_l": str(home / "models" / "clip_l.safetensors"),
    }
    assert located(found) == found
    told = to_fetch(found)
    assert told is not None
    assert "not all it needs" in told.message
    given = msgspec.structs.replace(found, kohya={**found.kohya, "t5xxl": "/mine/t5.safetensors"})
    assert to_fetch(given) is None
    assert located(given).kohya["t5xxl"] == "/mine/t5.safetensors"


def test_a_model_that_is_not_here_is_refused_with_the_command_that_fetches_it(home: Path) -> None:
    problems = list(file_problems(flux()))
    assert (
        Problem(
            "base.model",
            "FLUX.1 dev (23.8 GB) is not on this disk yet.",
            "Fetch it: loratui download flux-dev",
        )
        in problems
    )
    assert located(flux()) == flux()


def test_a_file_of_that_name_comes_first(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert entry_of("sdxl") is not None
    (tmp_path / "sdxl").mkdir()
    assert entry_of("sdxl") is None
    assert entry_of("") is None
    assert entry_of("/nowhere/sdxl") is None


def files(folder: Path) -> tuple[Wanted, ...]:
    return tuple(Wanted("huggingface", "http://x", folder / name, "") for name in ("a", "b"))


def test_progress_counts_all_files_and_stays_on_the_disk(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = {"a": 100, "b": 50}

    def ask(one: Wanted) -> Wanted:
        return Wanted(one.host, one.url, one.target, one.page, sizes[one.target.name])

    def download(one: Wanted, tell, *, should_stop) -> Path:  # type: ignore[no-untyped-def]
        tell(Fetching(one.target.name, one.size or 0, one.size, 1e6, checking=True))
        one.target.write_bytes(b"x" * (one.size or 0))
        return one.target

    monkeypatch.setattr("loratui.models.remote.ask", ask)
    monkeypatch.setattr("loratui.models.fetching.download", download)
    told: list[Progress] = []
    assert len(fetching.fetch_all("ab", files(tmp_path), told.append)) == 2
    assert [(one.done, one.total) for one in told] == [(100, 150), (150, 150)]
    left = fetching.status("ab")
    assert left is not None
    assert (left.state, left.done, left.total) == ("done", 150, 150)


def test_a_refusal_of_any_file_comes_before_the_first_byte(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(one: Wanted) -> Wanted:
        if one.target.name == "b":
            raise UserError("b", Problem("", "its licence must be accepted first."))
        return one

    monkeypatch.setattr("loratui.models.remote.ask", ask)
    with pytest.raises(UserError, match="licence"):
        fetching.fetch_all("ab", files(tmp_path))
    left = fetching.status("ab")
    assert left is not None
    assert left.state == "failed"
    assert "licence" in left.sentence()
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("pid", "state"), [(os.getpid(), "fetching"), (2**22 + 1, "broken")], ids=["alive", "gone"]
)
def test_a_download_whose_process_is_gone_is_told_as_broken_off(home: Path, pid: int, state: str) -> None:
    places.models_folder().mkdir(parents=True)
    progress = Progress("fetching", pid, "x", 4 * 10**9, 10**10, 5e7)
    fetching.status_file("x").write_bytes(msgspec.json.encode(progress))
    found = fetching.status("x")
    assert found is not None
    assert found.state == state


def test_how_far_it_is_reads_well() -> None:
    progress = Progress("fetching", 1, "x", 4 * 10**9, 10**10, 5e7)
    assert progress.sentence() == "4.00 of 10.00 GB  40 %  50.0 MB/s  2 min left"
