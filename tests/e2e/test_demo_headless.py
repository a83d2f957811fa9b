"""``loratui demo --headless --json``: the loss really falls, and the file is what other programs load."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Loratui

pytestmark = pytest.mark.timeout(280)


def test_the_demo_trains_a_lora(demo_home: Path, loratui: Loratui) -> None:
    done = loratui("demo", "--headless", "--json", timeout=240)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["verdict"] == "finished"
    assert result["last_loss"] < 0.7 * result["first_loss"]
    assert Path(result["final_file"]).is_file()
    assert "noise" in done.stderr
    again = loratui("rerun", result["run"], "--set", "steps.epochs=1", "--set", "network.rank=4", "--json")
    assert json.loads(again.stdout)["verdict"] == "refused"  # alpha 16 is above rank 4
    logs = loratui("logs", result["run"])
    assert logs.returncode == 0
    assert "@loratui" not in logs.stdout
