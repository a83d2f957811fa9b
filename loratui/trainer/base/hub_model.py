"""A base model named as ``org/name``: fetched from the Hugging Face hub into its cache, when asked to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from loratui.formats.hub_files import wanted
from loratui.formats.hub_id import cached_model
from loratui.problems import UserError, refusal

Progress = Callable[[int, int, str], None]
"""Bytes that are here, bytes of all files, the file that is being fetched."""


def fetch(name: str, progress: Progress) -> Path:
    """A diffusers folder, or the only single-file model of a repository, in the hub's cache; only files that
    are not there yet are fetched. The token is the environment's ``HF_TOKEN`` or that of ``hf auth login``.

    Without a network, what the cache holds is taken. Raises ``UserError`` with one sentence: no such model,
    its licence is not accepted, no network, no room.
    """
    from huggingface_hub import HfApi, constants, hf_hub_download

    if constants.HF_HUB_OFFLINE:
        return _cached(name, "HF_HUB_OFFLINE is set", "Unset it to fetch the model.")
    try:
        info = HfApi().model_info(name, files_metadata=True)
        sizes = {one.rfilename: one.size or 0 for one in info.siblings or ()}
        files = wanted(name, tuple(sizes))
        total, done = sum(sizes[file] for file in files), 0
        paths = []
        for file in files:
            paths.append(
                hf_hub_download(
                    name,
                    file,
                    revision=info.sha,
                    tqdm_class=_counting(partial(_tell, progress, done, total, file)),
                )
            )
            done += sizes[file]
            progress(done, total, file)
    except UserError:
        raise
    except Exception as error:  # of the hub, of its network library, of the disk
        return _instead(name, error)
    return Path(paths[0]) if len(paths) == 1 else Path(paths[0]).parent


def _tell(progress: Progress, before: int, total: int, file: str, here: int) -> None:
    progress(before + here, total, file)


def _counting(here: Callable[[int], None]) -> Any:
    """The hub shows progress by a class of tqdm's kind; this one passes it on and draws nothing."""
    tqdm: Any = import_module("tqdm").tqdm

    class Counting(tqdm):  # type: ignore[misc]
        def __init__(self, *given: Any, **more: Any) -> None:
            self.here = int(more.get("initial") or 0)
            more["disable"] = True
            super().__init__(*given, **more)

        def update(self, n: float | None = 1) -> None:
            self.here += int(n or 0)
            here(self.here)

    return Counting


def _cached(name: str, why: str, fix: str) -> Path:
    found = cached_model(name)
    if found is None:
        message = f"no path here is called so, {why}, and the hub's cache holds no such model."
        raise refusal(name, message, fix, "hf_offline")
    return found


def _instead(name: str, error: Exception) -> Path:
    from huggingface_hub import errors, get_token

    page = f"huggingface.co/{name}"
    if isinstance(error, errors.GatedRepoError):
        if get_token():
            fix = f"Open {page}, accept it with the account the token belongs to, and try again."
        else:
            fix = f"Open {page} and accept it; then make a token in your settings there: export HF_TOKEN=..."
        raise refusal(name, "its licence must be accepted first.", fix, "hf_gated") from None
    if isinstance(error, errors.RepositoryNotFoundError):
        message = "no path here is called so, and the hub shows no such model."
        fix = "Check the spelling; a private one needs HF_TOKEN."
        raise refusal(name, message, fix, "hf_404") from None
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError):
        reason = error.strerror or str(error)
        raise refusal(
            name, f"it cannot be kept: {reason}.", "Make room, or let HF_HOME name a larger disk."
        ) from None
    words = (str(error).strip().splitlines() or [type(error).__name__])[0][:160]
    return _cached(name, f"the hub cannot be reached ({words})", "Check the network (and HF_ENDPOINT).")
