"""Installing, updating, going back, adopting: what ``loratui setup kohya`` does."""

from __future__ import annotations

import dataclasses
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from loratui import kohya_checkout, places
from loratui.doctor import gpus
from loratui.engines.kohya.setup import record, source_code, torch_source
from loratui.engines.kohya.setup.commands import Runner, Say, log_path, pip_cache
from loratui.engines.kohya.setup.steps import OPTIMIZERS, Step, fingerprint_of, steps
from loratui.engines.kohya.setup.torch_source import TorchSource
from loratui.places import expanded
from loratui.problems import Problem, UserError, refusal

GB = 10**9
ROOM = {"reused": 2 * GB, "cpu": 3 * GB, "cuda": 11 * GB}
"""What an environment takes, pip's downloads included: sd-scripts' requirements 0.9 GB and a CPU torch 0.8 GB
measured; a CUDA torch with its libraries about 6 GB, fetched as 3 GB of wheels."""

StepState = Literal["done", "kept", "to do"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person asked for."""

    revision: str | None = None
    """A commit, tag or branch; ``HEAD`` is the newest, ``tested`` the one of this loratui."""
    python: Path | None = None
    reuse_torch: bool | None = None
    """True insists on a torch that is here, False on one of its own."""
    extras: tuple[str, ...] | None = None
    """Names of ``OPTIMIZERS``; None for those of the last time, at first all."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What there is now."""

    folder: str
    python: str | None
    commit: str | None
    previous: str | None
    torch: str
    torch_from: str
    steps: list[dict[str, str]] = field(default_factory=list)
    """name, state (done, kept, to do) and title of each step."""
    ready: bool = True
    log: str = ""

    def as_json(self) -> dict[str, Any]:
        """With the keys of ``--json``."""
        tested = self.commit == kohya_checkout.TESTED_COMMIT
        return {"engine": "kohya", **asdict(self), "tested": tested}


def install(wishes: Wishes, say: Say) -> Outcome:
    """Set up, or go on setting up, or find that all is done. Raises ``UserError``."""
    _require_no_variable()
    known = kohya_checkout.read_record()
    if known.get("adopted"):
        raise refusal(
            "setup kohya",
            f"the adopted checkout {known['adopted']} is in use, and loratui does not change it.",
            "For a checkout of loratui's own instead: loratui setup kohya --own",
        )
    _require_git()
    folder, runner = kohya_checkout.own_folder(), Runner(say)
    source_code.require_ours(folder)
    if wishes.dry_run:
        return _run(wishes, _planned_commit(wishes), runner)
    with record.alone():
        record.write(own=True)
        commit = _commit(wishes, runner)
        before = known.get("commit")
        if kohya_checkout.head_commit(folder) not in (None, commit):
            source_code.require_unchanged(runner, folder)
        record.write(target=commit)
        try:
            outcome = _run(wishes, commit, runner)
        except UserError as error:
            if before in (None, commit):
                raise
            raise _back(error, wishes, commit, str(before), runner) from None
        if before not in (None, commit):
            record.write(previous=before)
        return dataclasses.replace(outcome, previous=kohya_checkout.read_record().get("previous"))


def _back(error: UserError, wishes: Wishes, commit: str, before: str, runner: Runner) -> UserError:
    """Put the old commit back after an update that failed, and say so."""
    runner.say(f"{commit[:8]} cannot be used; going back to {before[:8]}")
    record.write(target=before)
    try:
        _run(wishes, before, runner)
    except UserError as second:
        return UserError(error.source, *error.problems, *second.problems)
    last = Problem("code", f"the previous commit {before[:8]} is in place again.", "It works as before.")
    return UserError(error.source, *error.problems, last)


def rollback(wishes: Wishes, say: Say) -> Outcome:
    """Back to the commit before the last update; once more, forward again. Raises ``UserError``."""
    previous = kohya_checkout.read_record().get("previous")
    if not previous:
        raise refusal("setup kohya", "there is no earlier commit to go back to.", "Nothing was changed.")
    return install(Wishes(previous, wishes.python, wishes.reuse_torch, wishes.extras, wishes.dry_run), say)


def adopt(folder: Path, python: Path | None) -> Outcome:
    """Use a checkout that is there, as it is. Nothing in it is changed. Raises ``UserError``."""
    _require_no_variable()
    folder = Path(os.path.normpath(expanded(folder).absolute()))
    if not (folder / kohya_checkout.MAIN_SCRIPT).is_file():
        inner = folder / "sd-scripts"
        if not (inner / kohya_checkout.MAIN_SCRIPT).is_file():
            raise refusal(
                folder, f"it holds no {kohya_checkout.MAIN_SCRIPT}.", "Name sd-scripts' own folder."
            )
        folder = inner
    if python is not None:
        python = expanded(python).absolute()
        if not os.access(python, os.X_OK):
            raise refusal(
                python, "it is no program that can be run.", "Name a Python, as conda's bin/python."
            )
    found = kohya_checkout.at(folder, "adopted", str(python) if python else None)
    if found.python is None:
        raise refusal(
            folder,
            "it has no virtual environment (venv or .venv, in it or beside it).",
            "Name the Python it runs with: --python /path/to/bin/python",
        )
    with record.alone():
        record.write(adopted=str(folder), python=str(python) if python else None)
    return Outcome(str(folder), str(found.python), found.commit, None, "", "")


def forget_adopted() -> None:
    """Use loratui's own checkout again. The adopted one stays as it is."""
    with record.alone():
        record.write(adopted=None, python=None)


def _run(wishes: Wishes, commit: str, runner: Runner) -> Outcome:
    extras = _extras(wishes)
    source = _source(wishes, runner)
    todo = steps(commit, source, extras)
    states: list[dict[str, str]] = []
    redo = False
    if not wishes.dry_run:
        _require_room(source)
        record.write(extras=list(extras), torch=_remembered(source))  # what an interrupted setup goes on with
    for number, step in enumerate(todo, 1):
        fingerprint = fingerprint_of(step, commit, source, extras)
        if step.name == "check" and any(state["state"] == "done" for state in states):
            redo = True
        kept = not redo and record.is_done(step.name, fingerprint) and step.there()
        # a new environment is empty; new code needs no new torch
        redo = redo or (not kept and step.name in ("environment", "torch"))
        state: StepState = "kept" if kept else "to do" if wishes.dry_run else "done"
        runner.say(f"[{number}/{len(todo)}] {'kept: ' if kept else ''}{step.title}")
        if state == "done":
            _do(step, runner, lambda step=step: fingerprint_of(step, commit, source, extras))
        states.append({"name": step.name, "state": state, "title": step.title})
    if not wishes.dry_run:
        record.write(doing=None, target=None, commit=commit)
        if "PIP_CACHE_DIR" not in os.environ:
            shutil.rmtree(pip_cache(), ignore_errors=True)
    checkout = kohya_checkout.at(kohya_checkout.own_folder(), "own")
    return Outcome(
        str(checkout.folder),
        str(checkout.python) if checkout.python else None,
        checkout.commit,
        kohya_checkout.read_record().get("previous"),
        source.torch,
        str(source.reused.torch.folder if source.reused and source.reused.torch else source.index),
        states,
        all(step["state"] != "to do" for step in states),
        str(log_path()),
    )


def _do(step: Step, runner: Runner, fingerprint: Any) -> None:
    record.begin(step.name)
    step.act(runner)
    record.done(step.name, fingerprint())


def _remembered(source: TorchSource) -> dict[str, Any]:
    return {"python": str(source.python), "reused": source.reused is not None}


def _source(wishes: Wishes, runner: Runner) -> TorchSource:
    """What was decided the last time holds, as long as it works and nothing else is asked for."""
    driver = gpus.look()
    before = kohya_checkout.read_record().get("torch")
    if isinstance(before, dict) and wishes.python is None and wishes.reuse_torch is None:
        python = Path(str(before.get("python", "")))
        if os.access(python, os.X_OK):
            try:
                return torch_source.choose(driver, python, bool(before.get("reused")))
            except UserError:
                runner.say(f"the torch of {python} no longer works with this GPU; looking for another")
    runner.say("looking for a torch that works with this machine")
    return torch_source.choose(driver, wishes.python, wishes.reuse_torch)


def _extras(wishes: Wishes) -> tuple[str, ...]:
    if wishes.extras is not None:
        return wishes.extras
    before = kohya_checkout.read_record().get("extras")
    if isinstance(before, list):
        return tuple(name for name in before if name in OPTIMIZERS)
    return tuple(OPTIMIZERS)


def _planned_commit(wishes: Wishes) -> str:
    """Without asking the origin: what an interrupted setup was at, else what is there, else the tested."""
    if wishes.revision in (None, "tested"):
        known = kohya_checkout.read_record()
        going_on = (known.get("target") if "doing" in known else None) or known.get("commit")
        return going_on if going_on and wishes.revision is None else kohya_checkout.TESTED_COMMIT
    return str(wishes.revision)


def _commit(wishes: Wishes, runner: Runner) -> str:
    if wishes.revision is None:
        return _planned_commit(wishes)
    if wishes.revision == "tested":
        return kohya_checkout.TESTED_COMMIT
    folder = kohya_checkout.own_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return source_code.resolve(runner, folder, wishes.revision)


def _require_no_variable() -> None:
    named = os.environ.get(kohya_checkout.FOLDER_VARIABLE)
    if named:
        raise refusal(
            "setup kohya",
            f"{kohya_checkout.FOLDER_VARIABLE} names {named}, which goes before anything set up here.",
            f"unset {kohya_checkout.FOLDER_VARIABLE}, and run this again.",
        )


def _require_git() -> None:
    if shutil.which("git") is None:
        raise refusal(
            "setup kohya",
            "git is not installed, and sd-scripts is fetched with it.",
            "apt-get update && apt-get install -y git",
        )


def _require_room(source: TorchSource) -> None:
    home = places.home()
    home.mkdir(parents=True, exist_ok=True)
    site = kohya_checkout.own_folder() / "venv"
    if site.is_dir():  # most of it is there
        return
    kind = (
        "reused"
        if source.reused
        else "cpu"
        if source.torch.endswith("cpu") or "+" not in source.torch
        else "cuda"
    )
    free = shutil.disk_usage(home).free
    if free < ROOM[kind]:
        raise refusal(
            home,
            f"{free / GB:.1f} GB are free, and the environment takes {ROOM[kind] / GB:.0f} GB.",
            "Free some space, or set LORATUI_HOME to another disk.",
        )
