"""The hashes that viewers and sites know a LoRA file by.

``autov1`` and ``autov2`` are A1111's old and new short hashes of any model file (modules/sd_models.py,
``model_hash``; modules/hashes.py), ``autov3`` is Civitai's name for the first 12 digits of the hash of the
tensors without the header, which additional-networks brought and sd-scripts stores whole as
``sshs_model_hash`` (library/train_util.py, ``addnet_hash_safetensors``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from loratui.formats.tensorfile import Header
from loratui.problems import Problem, UserError

_CHUNK = 1 << 20
_V1_START, _V1_END = 0x100000, 0x110000


@dataclass(frozen=True, slots=True)
class Hashes:
    """Hexadecimal, in small letters."""

    sha256: str
    """Of the whole file."""
    autov1: str
    """8 digits: of 64 KiB, one MiB in. Of nothing when the file is shorter, as A1111 has it."""
    autov2: str
    """10 digits: the beginning of ``sha256``."""
    autov3: str
    """12 digits: the beginning of ``tensors``."""
    tensors: str
    """sha256 of everything behind the header; the same whatever the metadata says."""
    sshs_model_hash: str | None
    """As stored in the metadata."""
    sshs_legacy_hash: str | None
    """As stored in the metadata."""
    sshs_matches: bool | None
    """Whether the stored ``sshs_model_hash`` is that of the tensors; None when none is stored. A1111 shows
    the stored one, Civitai its own, so pictures credit another file when it is wrong."""


def hash_file(path: Path, header: Header) -> Hashes:
    """Read the file once. Raises ``UserError`` when the disk refuses or it became shorter."""
    whole, tensors, first = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    expected = header.data_start + max((tensor.end for tensor in header.tensors.values()), default=0)
    at = 0
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                whole.update(chunk)
                tensors.update(chunk[max(header.data_start - at, 0) :])
                first.update(chunk[max(_V1_START - at, 0) : max(_V1_END - at, 0)])
                at += len(chunk)
    except OSError as error:
        raise UserError(
            str(path), Problem("", f"it cannot be read: {error.strerror}.", "Check the disk.")
        ) from None
    if at != expected:
        raise UserError(
            str(path),
            Problem("", "it changed while it was read.", "Wait until it is written, and try again."),
        )
    stored = header.metadata.get("sshs_model_hash")
    digest = tensors.hexdigest()
    return Hashes(
        sha256=whole.hexdigest(),
        autov1=first.hexdigest()[:8],
        autov2=whole.hexdigest()[:10],
        autov3=digest[:12],
        tensors=digest,
        sshs_model_hash=stored,
        sshs_legacy_hash=header.metadata.get("sshs_legacy_hash"),
        sshs_matches=None if stored is None else stored.lower().removeprefix("0x") == digest,
    )
