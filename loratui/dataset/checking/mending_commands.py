"""The command that mends a finding, put behind its advice."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from loratui.dataset.checking.finding import Finding

_BROKEN = frozenset({"image_unreadable", "image_truncated", "image_zero_bytes", "image_bomb"})
_CONVERTED = {
    "image_animated": "--only frames",
    "image_alpha": "--only alpha --background white",
    "image_exif_rotated": "--only rotation",
    "image_cmyk": "--only cmyk",
    "image_16bit": "--only 16bit",
    "format_ignored": "--only format --only ending",
}
_ARRANGED = frozenset({"folder_no_repeats", "folder_nested", "name_collision", "junk_files"})
_LEFT_OUT = frozenset({"image_small", "image_extreme_aspect", "image_blurry", "bucket_small", "many_images"})
_EDITED = {
    "caption_missing": "--filter missing: --fill '{folder}'",
    "caption_empty": "--normalise --fill '{folder}'",
    "caption_not_utf8": "--normalise",
    "caption_multiline": "--normalise",
    "caption_too_long": "--filter 'tokens:>75'",
}
_TYPO = re.compile(r'The tag "(.*)" stands in one caption only, and is a letter away from "(.*)", which')
_EVERYWHERE = re.compile(r'The tag "(.*)" stands in every caption')
_NAMED = 4
"""With more files than this a screen is the better place to choose them."""


def with_commands(findings: Iterable[Finding], source: Path, trigger: str = "") -> list[Finding]:
    """The findings, each with the command that mends it in ``source``, where there is one."""
    found = []
    for finding in findings:
        made = command(finding, source, trigger)
        found.append(replace(finding, fix=f"{finding.fix} {made}") if made else finding)
    return found


def command(finding: Finding, source: Path, trigger: str = "") -> str:
    """What to type; empty for what no command can mend: few pictures, empty folders, settings of training."""
    code, folder = finding.code, shlex.quote(str(source))
    if code in _CONVERTED:
        return f"loratui dataset convert {folder} {_CONVERTED[code]}"
    if code in _BROKEN and finding.severity == "error":
        odd = "no file (a folder" in finding.message
        return "" if odd else f"loratui dataset convert {folder} --only broken"
    if code in _ARRANGED:
        return f"loratui dataset arrange {folder}"
    if code == "caption_orphan":
        return f"loratui dataset arrange {folder} --drop-orphans"
    if code == "folder_is_leaf":
        return f"loratui check {shlex.quote(str(source.absolute().parent))}"
    if code == "duplicate_exact":
        return f"loratui dataset dedupe {folder} --threshold 100"
    if code == "duplicate_near":
        mirrored = "" if finding.severity == "warning" else " --mirrored"
        return f"loratui dataset dedupe {folder}{mirrored}"
    if code in ("trigger_missing", "trigger_not_first") and trigger.strip():
        return f"loratui dataset edit {folder} --trigger {shlex.quote(trigger.strip())}"
    if code == "tag_typo" and (told := _TYPO.match(finding.message)):
        return f"loratui dataset edit {folder} --rename {shlex.quote(f'{told[1]}={told[2]}')}"
    if code == "tag_everywhere" and (told := _EVERYWHERE.match(finding.message)):
        return f"loratui dataset edit {folder} --remove {shlex.quote(told[1])}"
    if code == "caption_style":
        return f"loratui dataset mend {folder}"
    if code in _EDITED:
        return f"loratui dataset edit {folder} {_EDITED[code]}"
    if code in _LEFT_OUT | _BROKEN:
        return _leave_out(finding, folder)
    return ""


def operation(finding: Finding, source: Path) -> str:
    """Which of ``loratui dataset``'s commands mends it: ``convert``, ``edit`` …; empty where none does."""
    words = command(finding, source).split()
    return words[2] if words[:2] == ["loratui", "dataset"] else ""


def _leave_out(finding: Finding, folder: str) -> str:
    names = [Path(name).name for name in finding.files]
    if len(names) > _NAMED or any('"' in name or "\\" in name for name in names):
        return f"loratui dataset mend {folder}"
    wanted = " OR ".join(f'name:"{name}"' for name in names)
    return f"loratui dataset edit {folder} --filter {shlex.quote(wanted)} --leave-out"
