"""``loratui doctor`` where the builtin engine is installed, and a checkout of sd-scripts is not whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loratui.engines.kohya import status as kohya_status
from tests.conftest import Loratui


def test_both_engines(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loratui: Loratui) -> None:
    checkout = tmp_path / "sd-scripts"
    checkout.mkdir()
    (checkout / "train_network.py").touch()
    (checkout / "requirements.txt").write_text("toml==0.10.2\n-e .\n")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(checkout / "venv")], check=True)
    monkeypatch.setenv("LORATUI_KOHYA", str(checkout))
    assert kohya_status.status().ready
    done = loratui("doctor", "--json", env={**os.environ, "HF_HUB_OFFLINE": "1"})
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert checks["loratui"]["ok"] and checks["builtin.torch"]["ok"] and checks["builtin.matmul"]["ok"]
    assert checks["kohya.requirements"]["detail"] == "missing: toml"
    assert checks["kohya.torch"]["detail"] == "torch is not installed"
    assert "--index-url" in checks["kohya.torch"]["fix"]
    assert checks["engines"] == {"name": "engines", "ok": True, "detail": "ready: builtin", "fix": ""}
    status = kohya_status.status()  # remembered, so that no run is started on it
    assert not status.ready and "toml" in status.detail and "loratui doctor" in status.fix
