"""sd-scripts' code: fetched, put at a commit, never overwritten where a person changed it."""

from __future__ import annotations

import os
from pathlib import Path

from loratui import kohya_checkout
from loratui.engines.kohya.setup.commands import Runner
from loratui.problems import refusal

URL_VARIABLE = "LORATUI_KOHYA_URL"
STEP = "code"


def address() -> str:
    """Where sd-scripts is fetched from; ``LORATUI_KOHYA_URL`` names a mirror or a local repository."""
    return os.environ.get(URL_VARIABLE) or kohya_checkout.ORIGIN


def require_ours(folder: Path) -> None:
    """Raises ``UserError`` when the folder holds something setup did not put there."""
    if kohya_checkout.read_record().get("own") or not folder.exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise refusal(
            folder,
            "it is there already, and loratui did not make it.",
            f"To use it as it is: loratui setup kohya --adopt {folder}. Else move it away.",
        )


def require_unchanged(runner: Runner, folder: Path) -> None:
    """Raises ``UserError`` when files of the checkout were changed by hand."""
    if not (folder / ".git").exists():
        return
    changed = runner.output(
        _git(folder, "status", "--porcelain", "--untracked-files=no"), folder
    ).splitlines()
    if changed:
        names = ", ".join(line.split(maxsplit=1)[-1] for line in changed[:3])
        raise refusal(
            folder,
            f"files of sd-scripts were changed here ({names}); another commit would undo that.",
            f"Keep the changes: git -C {folder} stash. Or use it as your own: --adopt {folder}",
        )


def has_commit(runner: Runner, folder: Path, commit: str) -> bool:
    """Whether the commit is in the checkout already, so that no network is needed."""
    if not (folder / ".git").exists():
        return False
    return bool(runner.output(_git(folder, "rev-parse", "--verify", "-q", f"{commit}^{{commit}}"), folder))


def put_at(runner: Runner, folder: Path, commit: str) -> None:
    """The checkout at a commit, fetched when it is not there. Raises ``UserError``."""
    for name in (
        "index.lock",
        "shallow.lock",
        "HEAD.lock",
    ):  # left by a git that was killed; we are alone here
        (folder / ".git" / name).unlink(missing_ok=True)
    _init(runner, folder)
    if not has_commit(runner, folder, commit) and not runner.succeeds(
        _git(folder, "fetch", "--depth=1", "--no-tags", "origin", commit), folder
    ):
        # a server that hands out branches only
        runner.run(
            STEP, _git(folder, "fetch", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"), folder
        )
    runner.run(STEP, _git(folder, "checkout", "--quiet", "--detach", commit), folder)


def resolve(runner: Runner, folder: Path, revision: str) -> str:
    """The full number of a branch, tag or commit at the origin (``HEAD`` is its newest). Raises ``UserError``
    when the origin has no such thing."""
    if not revision or revision.startswith("-"):
        raise refusal("--commit", f"{revision!r} is no commit, branch or tag.", "Check the spelling.")
    _init(runner, folder)
    known = runner.output(_git(folder, "rev-parse", "--verify", "-q", f"{revision}^{{commit}}"), folder)
    if known and revision != "HEAD" and known.startswith(revision):
        return known
    if runner.succeeds(_git(folder, "fetch", "--depth=1", "--no-tags", "origin", revision), folder):
        return runner.output(_git(folder, "rev-parse", "FETCH_HEAD"), folder)
    runner.run(STEP, _git(folder, "fetch", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*"), folder)
    for name in (f"origin/{revision}", revision):
        found = runner.output(_git(folder, "rev-parse", "--verify", "-q", f"{name}^{{commit}}"), folder)
        if found and revision != "HEAD":
            return found
    raise refusal(address(), f"it has no commit, branch or tag {revision!r}.", "Check the spelling.")


def _git(folder: Path, *words: str) -> list[str]:
    """A git command. On network volumes the folder may belong to another user, which git else refuses."""
    return ["git", "-c", f"safe.directory={folder}", *words]


def _init(runner: Runner, folder: Path) -> None:
    if not (folder / ".git" / "HEAD").exists():
        runner.run(STEP, _git(folder, "init", "--quiet", str(folder)))
    if not runner.output(_git(folder, "remote", "get-url", "origin"), folder):
        runner.run(STEP, _git(folder, "remote", "add", "origin", address()), folder)
    else:
        runner.run(STEP, _git(folder, "remote", "set-url", "origin", address()), folder)
