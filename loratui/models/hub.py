"""A base model named by its id on the Hugging Face hub: what it is, and how large, before it is fetched."""

from __future__ import annotations

import io
import json
import tempfile
import urllib.error
import urllib.request
from dataclasses import replace
from functools import lru_cache
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote

from loratui.formats.hub_files import INDEX, wanted
from loratui.formats.hub_id import cached_model, is_offline
from loratui.formats.tensorfile import header_of
from loratui.models import remote
from loratui.models.inspect import ModelFile, inspect, of_header, require, require_base
from loratui.models.remote import CarefulRedirects, Wanted
from loratui.problems import UserError, refusal

_TIMEOUT = 10.0
"""Seconds: a person waits for the answer."""
_FIRST = 1 << 20
"""Bytes; the header of an SDXL file takes 300 kB."""
_CONFIGS = (INDEX, "unet/config.json", "scheduler/scheduler_config.json")
_MOST_JSON = 16 << 20


def look(name: str) -> ModelFile:
    """What a model on the hub is; the last of its evidence says what is still to be fetched of it. What the
    hub's cache holds is looked at first; of other models only their small configs, or the header of their
    file, are asked for, with the person's token where there is one.

    Raises ``UserError`` with one sentence: nothing to train on, no such model, its licence is not accepted,
    no network.
    """
    cached = cached_model(name)
    if cached is not None:
        try:
            found = require_base(cached)
        except UserError:
            pass  # not all of it came; the rest is fetched
        else:
            return _told(name, found, "in the hub's cache on this disk")
    if is_offline():
        message = "no path here is called so, and HF_HUB_OFFLINE keeps the hub from being asked."
        raise refusal(name, message, "Check the path; or leave, unset HF_HUB_OFFLINE, and come back.")
    sizes = _files(name)
    files = wanted(name, tuple(sizes))
    found = _of_folder(name, files) if files[0] == INDEX else _of_file(name, files[0], sizes[files[0]])
    total = sum(sizes[file] for file in files)
    return _told(name, found, f"on the hub: {total / 1e9:.2f} GB, fetched when training starts", total)


@lru_cache(maxsize=64)
def only_file(name: str) -> str | None:
    """The one file that a model on the hub consists of; None where it is a folder of parts, and where nobody
    can tell now. The hub is asked once."""
    cached = cached_model(name)
    if cached is not None:
        return cached.name if cached.is_file() else None
    if is_offline():
        return None
    try:
        files = wanted(name, tuple(_files(name)))
    except UserError:
        return None
    return None if files[0] == INDEX else files[0]


def _told(name: str, found: ModelFile, place: str, to_fetch: int = 0) -> ModelFile:
    found = replace(found, path=Path(name))
    require(found)
    return replace(found, evidence=(*found.evidence, place), bytes_to_fetch=to_fetch)


def _files(name: str) -> dict[str, int]:
    """The files of a repository, with their sizes in bytes."""
    url = f"{remote.huggingface()}/api/models/{name}?blobs=true"
    try:
        answer = json.loads(_get(name, url, _MOST_JSON))
        return {one["rfilename"]: one.get("size") or 0 for one in answer.get("siblings", ())}
    except (ValueError, LookupError, TypeError, AttributeError):
        raise refusal(
            name, f"the answer of {url} is not the hub's.", "Check the network (HF_ENDPOINT)."
        ) from None


def _of_folder(name: str, files: list[str]) -> ModelFile:
    """From its configs, laid out as they would lie on this disk."""
    with tempfile.TemporaryDirectory(prefix="loratui-hub-") as made:
        folder = Path(made)
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            if file in _CONFIGS:
                (folder / file).write_bytes(_get(name, _address(name, file), _MOST_JSON))
        return inspect(folder)


def _of_file(name: str, file: str, size: int) -> ModelFile:
    """From the header of its only file."""
    start = _get(name, _address(name, file), _FIRST)
    length = 8 + int.from_bytes(start[:8], "little")
    if _FIRST < length <= _MOST_JSON:
        start = _get(name, _address(name, file), length)
    return of_header(Path(file), header_of(io.BytesIO(start), size, name))


def _address(name: str, file: str) -> str:
    return f"{remote.huggingface()}/{name}/resolve/main/{quote(file)}"


def _get(name: str, url: str, most: int) -> bytes:
    """The first bytes of what lies there. Raises ``UserError``."""
    one = Wanted("huggingface", url, Path(name), f"{remote.huggingface()}/{name}")
    sent = remote.headers(one, url) | {"Range": f"bytes=0-{most - 1}"}
    opener = urllib.request.build_opener(CarefulRedirects)
    try:
        with opener.open(urllib.request.Request(url, headers=sent), timeout=_TIMEOUT) as answer:
            return bytes(answer.read(most))
    except urllib.error.HTTPError as error:
        with error:
            raise _refused(name, one, error) from None
    except (OSError, HTTPException) as error:
        reason: Any = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        message = f"no path here is called so, and the hub cannot be reached ({reason})."
        raise refusal(name, message, "Check the network, or choose a model on this disk.") from None


def _refused(name: str, one: Wanted, error: urllib.error.HTTPError) -> UserError:
    missing = error.code == 404 or error.headers.get("X-Error-Code") == "RepoNotFound"
    if not missing:
        return remote.refused(one, error.code, error.headers)
    message = "no path here is called so, and the hub shows no such model."
    return refusal(name, message, "Check the spelling; a private one needs HF_TOKEN.")
