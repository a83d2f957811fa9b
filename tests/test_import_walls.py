"""What may not be imported is not: a supervisor stays small, and the first frame comes at once."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"torch", "diffusers", "transformers", "accelerate", "numpy", "PIL", "pynvml"}
SCREENS = {"textual", "rich"}


def loaded(code: str) -> set[str]:
    """The top-level modules that ``code`` leaves behind in a fresh Python."""
    program = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import loratui.runs.supervisor", HEAVY | SCREENS | {"click"}),
        ("import loratui.engines.registry", HEAVY | SCREENS | {"click"}),
        ("import loratui.advice.steps, loratui.models.inspect", HEAVY | SCREENS | {"click"}),
        ("import loratui.cli.door", HEAVY | SCREENS),
        ("import loratui.cli.train, loratui.cli.runs, loratui.cli.demo, loratui.cli.facts", HEAVY | SCREENS),
        ("import loratui.cli.lora.group", HEAVY | SCREENS),
        ("import loratui.cli.lora.trying, loratui.cli.lora.upload", HEAVY | SCREENS | {"huggingface_hub"}),
        ("import loratui.trainer.contact_sheet, loratui.trainer.proof", HEAVY | SCREENS | {"click"}),
        ("import loratui.trainer.__main__", HEAVY | SCREENS | {"click"}),
        ("import loratui.tui.app", HEAVY),
        ("import loratui.tui.result.screen", HEAVY),
        ("import loratui.tui.dataset.menu, loratui.tui.dataset.duplicates, loratui.tui.dataset.tags", HEAVY),
        (
            "import loratui.cli.dataset.edit, loratui.cli.dataset.dedupe, loratui.cli.dataset.convert",
            HEAVY | SCREENS,
        ),
        (
            "from loratui.runs.supervision import effect as e; e.nothing_in(e.Path('none'))",
            HEAVY | SCREENS | {"click"},
        ),
    ],
)
def test_importing_brings_in_no_more_than_it_needs(code: str, absent: set[str]) -> None:
    assert loaded(code) & absent == set()


def test_help_imports_no_command() -> None:
    code = (
        "from loratui.cli.door import cli\n"
        "try: cli(['--help'], standalone_mode=False)\n"
        "except SystemExit: pass\n"
        "print([name for name in sys.modules if name.startswith('loratui.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, check=False
    )
    assert "loratui.cli.train" not in done.stdout
    assert "Usage: " in done.stdout


def test_the_first_page_of_the_wizard_brings_in_no_network_and_no_advice() -> None:
    code = (
        "import loratui.tui.wizard.screen, loratui.tui.wizard.panes.model\n"
        "print([name for name in sys.modules if name in"
        " ('urllib.request', 'loratui.models.catalog', 'loratui.advice.advise', 'loratui.dataset.scan')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
