"""Paths as they come out of other programs: quoted, with backslashes, as an address."""

from __future__ import annotations

from loratui.places import expanded

KEYS = frozenset(
    {
        "base.model",
        "base.vae",
        "dataset.folder",
        "dataset.regularization",
        "network.weights",
        "output.folder",
    }
)
"""Settings that are paths."""


def bare_path(text: str) -> str:
    """The path that a text means. Quotes and backslashes that belong to a file's name stay."""
    text = text.strip()
    if text.startswith("file://"):
        from urllib.parse import unquote, urlsplit

        return unquote(urlsplit(text).path)
    if not text.startswith(("'", '"')) and "\\" not in text:
        return text
    import shlex

    try:
        words = shlex.split(text)
        quoted = text.startswith(("'", '"'))
        if len(words) == 1 and not expanded(text).exists() and (quoted or expanded(words[0]).exists()):
            return words[0]
    except (ValueError, OSError, RuntimeError):  # a quote without its other; too long; no such user
        pass
    return text
