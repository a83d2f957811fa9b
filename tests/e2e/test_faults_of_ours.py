"""A fault inside the screens ends them with a sentence; its details go to a file."""

from __future__ import annotations

from pathlib import Path

from tests.support.terminal import Terminal

FAULTY = """
from loratui.tui.app import LoratuiApp

def action_leave(self):
    raise RuntimeError("a fault made by the test")

LoratuiApp.action_leave = action_leave
from loratui.__main__ import main
main()
"""


def test_no_traceback_reaches_a_person(home: Path) -> None:
    terminal = Terminal(program=("-c", FAULTY))
    terminal.wait_for("Which model")
    terminal.press("\x03")
    terminal.wait_for("something went wrong inside loratui")
    assert terminal.wait_closed() == 1
    assert "Traceback" not in terminal.text
    assert "locals" not in terminal.text
    report = (home / "error.log").read_text()
    assert "a fault made by the test" in report
    assert "Traceback" in report
