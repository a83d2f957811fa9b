"""The model hub: whether it answers, and whether there is a token. The token itself is never shown."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from pathlib import Path

from loratui.doctor.check import Check, fine, note

ENDPOINT = "https://huggingface.co"
TIMEOUT = 6.0


def reach(
    environment: Mapping[str, str] = os.environ, timeout: float = TIMEOUT
) -> tuple[Check, float | None]:
    """One HEAD request. Returns the check, and the server's Unix time where it answered."""
    endpoint = (environment.get("HF_ENDPOINT") or ENDPOINT).rstrip("/")
    if environment.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE"):
        return note("hub", "switched off by HF_HUB_OFFLINE", "unset HF_HUB_OFFLINE to download models"), None
    if not endpoint.startswith(("https://", "http://")):
        return note("hub", "HF_ENDPOINT is not an address", "unset HF_ENDPOINT"), None
    shown = _without_secret(endpoint)
    request = urllib.request.Request(endpoint, method="HEAD", headers={"User-Agent": "loratui-doctor"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:  # it answers, if not gladly
        date = error.headers.get("Date") if error.headers else None
    except (OSError, ValueError) as error:
        return _unreachable(shown, error), None
    return fine("hub", f"{shown} answers"), _unix_time(date)


def _unreachable(endpoint: str, error: Exception) -> Check:
    reason = getattr(error, "reason", error)
    words = " ".join(str(getattr(reason, "strerror", None) or reason).split())[:120]
    return note(
        "hub",
        f"{endpoint} is not reachable from here ({words or type(error).__name__})",
        "Fine while the model is on disk. Else: check the network or proxy, or set HF_ENDPOINT to a mirror.",
    )


def _without_secret(address: str) -> str:
    """The address without a user's name and password."""
    scheme, _, rest = address.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _unix_time(date: str | None) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp() if date else None
    except (TypeError, ValueError, IndexError):
        return None


def token(environment: Mapping[str, str] = os.environ) -> Check:
    """Whether huggingface_hub would find a token: in the environment, else in its login's file."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        if environment.get(name, "").strip():
            return fine("token", f"there is one in {name}")
    path = _token_file(environment)
    try:
        if path.read_text(encoding="utf-8", errors="replace").strip():
            return fine("token", f"there is one in {path}")
    except OSError:
        pass
    return note(
        "token",
        "none (only gated models, FLUX.1-dev or SD 3.5, and uploads need one)",
        "Make one at huggingface.co/settings/tokens, then: export HF_TOKEN=... (or hf auth login)",
    )


def _token_file(environment: Mapping[str, str]) -> Path:
    if environment.get("HF_TOKEN_PATH"):
        return Path(environment["HF_TOKEN_PATH"]).expanduser()
    cache = environment.get("XDG_CACHE_HOME") or "~/.cache"
    home = environment.get("HF_HOME") or f"{cache}/huggingface"
    return Path(home).expanduser() / "token"
