"""Whether the kohya engine can run here: what is there, what is missing, and the command that mends it."""

from __future__ import annotations

from collections.abc import Iterator

from loratui import kohya_checkout
from loratui.engines.engine import EngineStatus
from loratui.kohya_checkout import Checkout
from loratui.problems import Problem

_SETUP = "loratui setup kohya"


def status() -> EngineStatus:
    """Looked up in names and small files; starts nothing."""
    checkout = kohya_checkout.find()
    if not checkout.exists:
        return EngineStatus(False, _absent(checkout), _fix(checkout))
    if checkout.python is None:
        return EngineStatus(False, f"{checkout.folder} has no virtual environment", _fix(checkout))
    unfinished = _unfinished(checkout)
    if unfinished:
        return EngineStatus(False, unfinished, f"Run {_SETUP}; it goes on where it was.")
    trouble = kohya_checkout.known_trouble(checkout)
    if trouble:
        return EngineStatus(False, trouble[0], f"{trouble[1]} Then look again with: loratui doctor")
    commit = checkout.commit
    tested = "" if commit == kohya_checkout.TESTED_COMMIT else ", not the commit loratui was tested with"
    at = f" ({commit[:8]}{tested})" if commit else ""
    return EngineStatus(True, f"sd-scripts at {checkout.folder}{at}")


def problems(script: str) -> Iterator[Problem]:
    """Why a run of ``script`` could not start here."""
    found = status()
    if not found.ready:
        yield Problem("launch.engine", f"the kohya engine cannot run: {found.detail}.", found.fix)
        return
    folder = kohya_checkout.find().folder
    if not (folder / f"{script}.py").is_file():
        yield Problem(
            "launch.engine",
            f"{folder} has no {script}.py: it is too old for this family.",
            "Update it (loratui setup kohya, or git pull in a checkout of your own).",
        )


def _absent(checkout: Checkout) -> str:
    if checkout.source == "variable":
        return f"{kohya_checkout.FOLDER_VARIABLE} names {checkout.folder}, and sd-scripts is not there"
    if checkout.source == "adopted":
        return f"the adopted checkout {checkout.folder} is gone"
    return "sd-scripts is not set up"


def _fix(checkout: Checkout) -> str:
    if checkout.source == "variable":
        return f"Correct {kohya_checkout.FOLDER_VARIABLE}, or unset it and run: {_SETUP}"
    if checkout.source == "adopted":
        return f"Adopt it again with its Python: {_SETUP} --adopt DIR --python FILE. Or {_SETUP} --own"
    return f"Set it up (some minutes, once): {_SETUP}"


def _unfinished(checkout: Checkout) -> str:
    """What says that setting up was begun and not ended."""
    if checkout.source != "own":
        return ""
    record = kohya_checkout.read_record()
    doing = record.get("doing")
    return f"its setup was not finished (it got as far as: {doing})" if isinstance(doing, str) else ""
