"""From end to end: commands are processes."""

from __future__ import annotations

import pytest

from tests.conftest import Loratui, as_process


@pytest.fixture
def loratui() -> Loratui:
    """Runs ``loratui`` as a process, without a terminal."""
    return as_process
