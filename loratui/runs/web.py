"""One request to another computer, by the standard library, for a program that nobody watches."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException

WITHIN = 15.0
"""Seconds a request may take."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Another address would get the headers, and with them the token."""

    def redirect_request(self, *_: object) -> None:
        return None


class RefusedError(Exception):
    """It did not work; the text names neither address nor token."""


def ask(method: str, url: str, data: bytes, headers: Mapping[str, str], within: float = WITHIN) -> bytes:
    """Send a request and return the first 64 KiB of the answer. Redirects are not followed. Raises
    ``RefusedError``."""
    if not url.startswith(("https://", "http://")):
        raise RefusedError("no address is set")
    try:
        request = urllib.request.Request(url, data, {"User-Agent": "loratui", **headers}, method=method)
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=within) as answer:
            return bytes(answer.read(1 << 16))
    except urllib.error.HTTPError as error:
        raise RefusedError(f"the other side answered {error.code}") from None
    except (OSError, ValueError, HTTPException) as error:
        raise RefusedError(f"not sent ({type(error).__name__})") from None
