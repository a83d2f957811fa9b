"""What a server says of a file before a byte of it is fetched: how large, which checksum, whether allowed.

Tokens go into a header of the one host they are meant for, and into nothing else: no URL, argument, log or
message holds one.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import IO, Any, Literal
from urllib.parse import quote, urljoin, urlsplit

from loratui import __version__
from loratui.models.catalog import Entry, place_of
from loratui.places import expanded
from loratui.problems import Problem, UserError

Host = Literal["huggingface", "civitai"]

_TIMEOUT = 30.0
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_JSON = 4 << 20
_MOST_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file, and where it shall lie."""

    host: Host
    url: str
    target: Path
    page: str
    """Where a person accepts its licence."""
    size: int | None = None
    """Bytes; None while nobody has told."""
    sha256: str = ""
    """All 64 digits, or the first few."""
    version: int | None = None
    """Civitai's number."""


def wanted(entry: Entry) -> tuple[Wanted, ...]:
    """All files of a model, the model first."""
    if entry.civitai_version is not None:
        url = f"{civitai()}/api/download/models/{entry.civitai_version}"
        return (
            Wanted(
                "civitai",
                url,
                place_of(entry.file),
                entry.url,
                sha256=entry.sha256,
                version=entry.civitai_version,
            ),
        )
    main = replace(_of_repo(entry.repo, entry.file), sha256=entry.sha256)
    others = [_of_repo(entry.repo, file) for file in entry.beside]
    others += [_of_repo(part.repo, part.file) for part in entry.part]
    return (main, *others)


def of_words(words: str) -> Wanted | None:
    """A file that a person names: ``civitai:290640`` (a version), or a file's address on the hub. None for
    anything else.

    Raises ``UserError`` when Civitai knows no such version.
    """
    if found := re.fullmatch(r"civitai:(\d+)", words):
        version = int(found[1])
        url = f"{civitai()}/api/download/models/{version}"
        page = f"{civitai()}/api/v1/model-versions/{version}"
        one = Wanted("civitai", url, Path(words), page, version=version)
        name = str(_civitai_file(one).get("name") or f"civitai-{version}.safetensors")
        return replace(one, target=place_of(name.replace("/", "_")))
    start = f"{huggingface()}/"
    if words.startswith(start):
        repo, found_word, file = re.sub("/(blob|resolve)/[^/]+/", "\n/", words[len(start) :]).partition("\n/")
        if found_word and file:
            return _of_repo(repo, file.partition("?")[0])
    return None


def _of_repo(repo: str, file: str) -> Wanted:
    url = f"{huggingface()}/{repo}/resolve/main/{quote(file)}"
    return Wanted("huggingface", url, place_of(file), f"{huggingface()}/{repo}")


def huggingface() -> str:
    """The hub's address; ``HF_ENDPOINT`` names a mirror, as huggingface_hub has it."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or "https://huggingface.co"


def civitai() -> str:
    """Civitai's address; ``CIVITAI_ENDPOINT`` names another."""
    return os.environ.get("CIVITAI_ENDPOINT", "").rstrip("/") or "https://civitai.com"


def token(host: Host, environment: Mapping[str, str] | None = None) -> str:
    """The person's token for a host from the environment, or where ``hf auth login`` left it; else empty."""
    environment = os.environ if environment is None else environment
    if host == "civitai":
        return environment.get("CIVITAI_TOKEN", "") or environment.get("CIVITAI_API_TOKEN", "")
    found = environment.get("HF_TOKEN", "") or environment.get("HUGGING_FACE_HUB_TOKEN", "")
    if found:
        return found.strip()
    home = environment.get("HF_HOME", "") or "~/.cache/huggingface"
    path = expanded(environment.get("HF_TOKEN_PATH", "") or f"{home}/token")
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def ask(one: Wanted) -> Wanted:
    """The same with what its server says of size and checksum. Fetches nothing of it.

    Raises ``UserError``: the licence must be accepted first, there is no such file, no network.
    """
    url = one.url
    for _ in range(_MOST_REDIRECTS):
        answer = _head(one, url)
        if answer is None:
            break
        size = answer.get("X-Linked-Size") or (
            answer.get("Content-Length") if "Location" not in answer else ""
        )
        digest = (answer.get("X-Linked-Etag") or answer.get("ETag") or "").strip('W/"').lower()
        if size and size.isdecimal() and not one.size:
            one = replace(one, size=int(size))
        if _SHA256.fullmatch(digest) and len(one.sha256) < 64:
            one = replace(one, sha256=_agreeing(one, digest))
        location = urljoin(url, answer.get("Location", ""))
        if "Location" not in answer or urlsplit(location).netloc != urlsplit(url).netloc:
            break
        url = location
    return _from_civitai(one) if one.host == "civitai" else one


def _agreeing(one: Wanted, digest: str) -> str:
    if not digest.startswith(one.sha256.lower()):
        raise UserError(
            one.target.name,
            Problem(
                "",
                f"the server's file has the checksum {digest[:10]}, and {one.sha256[:10]} is the known one.",
                f"Something has been replaced there. Look at {one.page} before you use it.",
            ),
        )
    return digest


def _head(one: Wanted, url: str) -> Mapping[str, str] | None:
    """The headers of one answer, redirects not followed: those of a presigned address say nothing."""
    request = urllib.request.Request(url, headers=headers(one, url), method="HEAD")
    opener = urllib.request.build_opener(_NoRedirects)
    try:
        with opener.open(request, timeout=_TIMEOUT) as response:
            return dict(response.headers)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in (301, 302, 303, 307, 308):
                return dict(error.headers)
            if error.code == 405:
                return None
            raise refused(one, error.code, error.headers) from None
    except (OSError, HTTPException) as error:
        raise unreachable(one, error) from None


def _from_civitai(one: Wanted) -> Wanted:
    """With the checksum that Civitai's API has; where it has none, the length is checked alone."""
    try:
        digest = str(_civitai_file(one)["hashes"]["SHA256"]).lower()
    except (UserError, LookupError, TypeError):
        return one
    return replace(one, sha256=_agreeing(one, digest)) if _SHA256.fullmatch(digest) else one


def _civitai_file(one: Wanted) -> dict[str, Any]:
    """The main file of a version, as Civitai's API describes it. Raises ``UserError``."""
    url = f"{civitai()}/api/v1/model-versions/{one.version}"
    request = urllib.request.Request(url, headers=headers(one, url))
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as response:
            files = json.loads(response.read(_MOST_JSON))["files"]
        main = next((file for file in files if file.get("primary")), files[0])
    except urllib.error.HTTPError as error:
        with error:
            raise refused(one, error.code, error.headers) from None
    except (OSError, HTTPException) as error:
        raise unreachable(one, error) from None
    except (ValueError, LookupError, TypeError, AttributeError):
        raise UserError(one.target.name, Problem("", "Civitai's answer is not understood.")) from None
    return main if isinstance(main, dict) else {}


def headers(one: Wanted, url: str) -> dict[str, str]:
    """What is sent with a request: the token only to the host it is for."""
    sent = {"User-Agent": f"loratui/{__version__}", "Accept-Encoding": "identity"}
    secret = token(one.host)
    if secret and urlsplit(url).netloc == urlsplit(one.url).netloc:
        sent["Authorization"] = f"Bearer {secret}"
    return sent


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


class CarefulRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, and leaves the token behind where they lead to another host."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            following.remove_header("Authorization")
        return following


def fetch(one: Wanted, start: int) -> HTTPResponse:
    """The bytes from ``start`` on. Raises ``urllib.error.HTTPError`` for a refusal, ``OSError`` for a bad
    line."""
    sent = headers(one, one.url)
    if start:
        sent["Range"] = f"bytes={start}-"
    request = urllib.request.Request(one.url, headers=sent)
    response = urllib.request.build_opener(CarefulRedirects).open(request, timeout=_TIMEOUT)
    assert isinstance(response, HTTPResponse)
    return response


def refused(one: Wanted, code: int, answer: Message[str, str] | None = None) -> UserError:
    """A server's no, as what to do about it."""
    name, has_token = one.target.name, bool(token(one.host))
    variable = "HF_TOKEN" if one.host == "huggingface" else "CIVITAI_TOKEN"
    if code in (401, 403):
        gated = answer is not None and answer.get("X-Error-Code") == "GatedRepo"
        if one.host == "civitai" and not has_token:
            message = "its author lets only people with an account download it."
            fix = f"Make an API key in your Civitai account settings, then: export {variable}=..."
        elif has_token:
            message = "its licence must be accepted first, with the account the token belongs to."
            fix = f"Open {one.page}, accept, and try again."
            if not gated and one.host == "civitai":
                message, fix = f"the token in {variable} is not accepted.", f"See {one.page}."
        else:
            message = "its licence must be accepted first, and loratui must be able to show that it was."
            fix = f"Open {one.page}, accept; then make a token in your settings there: export {variable}=..."
        return UserError(name, Problem("", message, fix))
    if code == 404:
        return UserError(
            name,
            Problem("", "the server has no such file any more.", f"Look at {one.page} for its successor."),
        )
    if code == 429:
        return UserError(name, Problem("", "the server asks for patience.", "Try again in a few minutes."))
    return UserError(name, Problem("", f"the server answers {code}.", "Try again later; what came is kept."))


def unreachable(one: Wanted, error: OSError | HTTPException) -> UserError:
    """No answer at all."""
    reason = getattr(error, "reason", None) or error
    host = urlsplit(one.url).netloc
    return UserError(
        one.target.name,
        Problem("", f"{host} cannot be reached: {reason}.", "Check the network; what came is kept."),
    )
