"""Tiny models, made once."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny diffusers folders ``sd15`` and ``sdxl``, not to be written to."""
    from loratui.trainer.tiny_model import make

    folder = tmp_path_factory.mktemp("tiny")
    for family in ("sd15", "sdxl"):
        make(folder / family, family)
    return folder
