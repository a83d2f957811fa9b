"""Tiny models, made once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny diffusers folders ``sd15`` and ``sdxl``, not to be written to."""
    folder = tmp_path_factory.mktemp("tiny")
    for family in ("sd15", "sdxl"):
        command = [sys.executable, "-m", "loratui.trainer.tiny_model", str(folder / family)]
        subprocess.run([*command, "--family", family], check=True, capture_output=True)
    return folder
