"""Files of the person's named like Python's own, on PYTHONPATH and in the current folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from loratui import python_path

LOOK = """
import json, os, sys
from loratui import __main__
sys.argv = ["loratui", "runs", "--json"]
try:
    __main__.main()
except SystemExit as end:
    import logging
    print(json.dumps([end.code, os.environ["PYTHONPATH"], logging.__file__]))
"""


def test_a_file_named_like_pythons_own_does_not_end_us(home: Path, tmp_path: Path) -> None:
    """Nor what is started from here: the folder is left out of PYTHONPATH. Others in it stay."""
    bad, good = tmp_path / "bad", tmp_path / "good"
    for folder, name in ((bad, "logging.py"), (good, "mine.py")):
        folder.mkdir()
        (folder / name).write_text("raise SystemExit('the wrong one')")
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        env={**os.environ, "PYTHONPATH": f"{bad}{os.pathsep}{good}"},
        cwd=bad,  # in the way as well: python -c looks here first
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    code, left, used = json.loads(done.stdout.splitlines()[-1])
    assert (code, left) == (0, str(good))
    assert not used.startswith(str(tmp_path))
    assert done.stderr.startswith(f"loratui: {bad} is on PYTHONPATH, and its logging.py would be taken")


def test_what_is_in_the_way(tmp_path: Path) -> None:
    for name in ("random.py", "torch.py", "mine.py", "test.py", "json.txt"):
        (tmp_path / name).touch()
    for package in ("logging", "test", "mine"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "email").mkdir()  # no package: Python finds its own
    assert python_path.in_the_way(str(tmp_path)) == ["logging", "random.py", "torch.py"]
    whole = tmp_path / "site-packages"
    whole.mkdir()
    (whole / "torch.py").touch()
    assert python_path.in_the_way(str(whole)) == []
    assert python_path.in_the_way(str(tmp_path / "nowhere")) == []


def test_a_process_of_ours_does_not_look_where_it_is_started(tmp_path: Path) -> None:
    (tmp_path / "argparse.py").write_text("raise SystemExit('the wrong one')")
    command = python_path.own("loratui.runs.supervisor", "--help")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=30, check=False).returncode == 0
