"""The samples of a run in a real pseudo-terminal that answers as kitty, sixel and plain terminals do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pexpect
import pytest
from PIL import Image

from loratui.events import Sample, StateChanged
from loratui.tui.widgets.graphics import QUESTIONS
from tests.support.terminal import Terminal

PROGRAM = """
import sys
from loratui.tui.app import run_app
run_app(run_id=sys.argv[1])
"""


@pytest.mark.parametrize(
    ("answer", "sent"),
    [(b"\x1b_Gi=31;OK\x1b\\\x1b[?62c", b"\x1b_Gf=100"), (b"\x1b[?62;4c", b"\x1bP0;1q"), (b"\x1b[?1;2c", b"")],
)
def test_a_picture_is_shown_by_what_the_terminal_can(
    make_run: Any, training: Any, home: Path, answer: bytes, sent: bytes
) -> None:
    run = make_run(*training(20), Sample("samples/a.png", 20, "a cat"), StateChanged("finished"))
    Image.new("RGB", (64, 64), "orange").save(run.folder / "samples/a.png")
    terminal = Terminal(run.id, program=("-c", PROGRAM))
    try:
        terminal.wait_for("FINISHED")
        terminal.press("i")
        terminal.wait_for("a cat")
        terminal.press("o")
        terminal.child.expect_exact(QUESTIONS, timeout=20)
        terminal.press(answer.decode())
        if sent:
            terminal.child.expect_exact(sent, timeout=20)
            terminal.child.expect_exact(b"any key goes back", timeout=20)
            terminal.press("x")
            terminal.wait_for("Sample pictures")
        else:
            terminal.wait_for("shows no pictures")
        terminal.press("\x1b")
        terminal.wait_for("FINISHED")
        terminal.press("q")
        assert terminal.wait_closed() == 0
    except pexpect.TIMEOUT:
        pytest.fail(terminal.text)
    finally:
        terminal.kill()
