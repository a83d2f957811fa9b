"""Every command that a finding names exists, and mends it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from PIL import Image

from loratui.cli.door import cli
from loratui.dataset import history
from loratui.dataset.checking.checks import Wishes, check
from loratui.dataset.checking.finding import CODES, Finding
from loratui.dataset.checking.mending_commands import command
from tests.conftest import Call

NONE = {"few_images", "folder_empty", "upscaled"}
"""No command can: more pictures, another folder, a setting of the training."""


@pytest.mark.parametrize("code", CODES)
def test_each_code_has_its_command_and_the_command_exists(code: str, tmp_path: Path) -> None:
    messages = {
        "tag_typo": 'The tag "a" stands in one caption only, and is a letter away from "b", which',
        "tag_everywhere": 'The tag "solo" stands in every caption',
    }
    finding = Finding(code, "warning", ("a/b c.png",), messages.get(code, ""), "")
    made = command(finding, tmp_path / "it's here", "ohwx")
    assert bool(made) == (code not in NONE)
    words = shlex.split(made)
    if not words:
        return
    assert words[0] == "loratui"
    group = cli
    for word in words[1:3] if words[1] == "dataset" else words[1:2]:
        found = group.get_command(None, word)  # type: ignore[arg-type]
        assert found is not None, made
        group = found  # type: ignore[assignment]
    rest = words[3:] if words[1] == "dataset" else words[2:]
    group.make_context("x", rest, resilient_parsing=False)


def test_typing_what_the_check_says_mends_the_set(tmp_path: Path, home: Path, call: Call) -> None:
    root = tmp_path / "my set"
    folder = root / "10_x"
    folder.mkdir(parents=True)
    for number in range(12):
        Image.effect_noise((512, 512), 90).convert("RGB").save(folder / f"{number}.jpg", quality=80)
        (folder / f"{number}.txt").write_text(f"smile, {'sitting' if number % 2 else 'standing'}")
    (folder / "0.txt").write_bytes(b"smiel, caf\xe9")
    (folder / "1.txt").write_text("smile\nsitting")
    (folder / "2.txt").unlink()
    (folder / "3.txt").write_text("")
    (folder / "copy.jpg").write_bytes((folder / "4.jpg").read_bytes())
    (folder / "cut.jpg").write_bytes((folder / "5.jpg").read_bytes()[:3000])
    Image.effect_noise((512, 512), 90).convert("RGB").save(folder / "film.gif")
    (folder / "lost.txt").write_text("of nothing")
    (root / "more").mkdir()
    Image.effect_noise((512, 512), 90).convert("RGB").save(root / "more" / "m.jpg")
    wishes = Wishes(trigger="ohwx")
    seen: list[str] = []
    for _ in range(20):
        findings = [
            one for one in check(history.current(root), wishes).findings if "loratui dataset" in one.fix
        ]
        if not findings:
            break
        seen.append(findings[0].code)
        words = shlex.split(findings[0].fix[findings[0].fix.index("loratui dataset") :])
        _, done, _ = call(*words[1:], "--yes", "--json")
        assert done["applied"], (findings[0], done)
    assert not findings, findings
    assert {"image_truncated", "caption_empty", "trigger_missing"} <= set(seen)
    left = {one.code for one in check(history.current(root), wishes).findings}
    assert not left & {"caption_missing", "duplicate_exact", "format_ignored", "folder_no_repeats"}
