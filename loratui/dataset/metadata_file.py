"""The file that metadata_file names: captions and tags by picture, as the fine-tuning tools of sd-scripts
write them (library/train_util.py:2275-2375 at 48d368f). A .json of one object, or a .jsonl with one for each
picture."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loratui.places import expanded
from loratui.problems import refusal

_SHAPE = 'Write {"picture.png": {"caption": "...", "tags": "..."}}, or a .jsonl with image_path on each line.'


def captions(
    path: Path, folder: Path | None, separator: str, *, wildcards: bool
) -> Iterator[tuple[Path, str]]:
    """Each picture and its caption, longest names first, as sd-scripts registers them: the caption, then its
    tags behind ``separator``; with ``wildcards`` behind each of its lines, else its first line counts.

    ``folder`` is where names are meant from that are no whole paths. Raises ``UserError`` for a file that is
    not as it should be, and for a picture that is not there.
    """
    entries = _entries(path)
    for name in sorted(entries, key=len, reverse=True):
        entry = entries[name]
        picture = Path(name) if Path(name).is_absolute() else None if folder is None else folder / name
        if picture is None:
            raise refusal(path, f"{name!r} is no whole path, and no image_dir is given.", "Add image_dir.")
        if not picture.is_file():
            raise refusal(
                path,
                f"it names {picture}, which is not there.",
                "Write names with their endings, meant from image_dir, or whole paths; no .npz files.",
            )
        yield picture, _caption(path, name, entry, separator, wildcards=wildcards)


def _caption(path: Path, name: str, entry: Any, separator: str, *, wildcards: bool) -> str:
    given = (entry.get("caption"), entry.get("tags")) if isinstance(entry, dict) else (0,)
    texts = [one for one in given if one is None or isinstance(one, str)]
    if len(texts) < 2:
        raise refusal(path, f"what it says of {name!r} is no caption and tags.", _SHAPE)
    caption, tags = texts[0] or "", texts[1]
    if not wildcards:
        whole = separator.join((caption, tags) if caption else (tags,)) if tags else caption
        return whole.split("\n")[0]
    if tags is None:
        return caption
    tags = tags.replace("\n", separator)
    return "\n".join(f"{line}{separator}{tags}" for line in caption.split("\n") if line.strip())


def _entries(path: Path) -> dict[str, Any]:
    try:
        text = expanded(path).read_text(encoding="utf-8")
        if path.suffix == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
            found = {row["image_path"]: row for row in rows}
        else:
            found = json.loads(text)
    except OSError as error:
        raise refusal(path, f"it cannot be read: {error.strerror}.", "Check metadata_file.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise refusal(path, f"this is no metadata of pictures ({error}).", _SHAPE) from None
    if not isinstance(found, dict) or not found:
        raise refusal(path, "it names no pictures.", _SHAPE)
    return found
