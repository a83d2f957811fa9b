"""Failures of the real sd-scripts, each with one cause made on purpose: it is the first one named."""

from __future__ import annotations

import pytest

from loratui.runs.hints.diagnose import diagnose
from tests.support.reproduced import FOLDER, Failure, failures

FAILURES = [failure for path in sorted(FOLDER.glob("sd_scripts_*.txt")) for failure in failures(path.stem)]
_NAN_WORDS = "The VAE produced NaN"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_the_first_hint_is_the_cause(failure: Failure) -> None:
    found = diagnose([[failure.log.encode()]])
    first = found.hints[0]
    key = "nan_latents" if first.key == "loss_nan" and first.cause.startswith(_NAN_WORDS) else first.key
    assert key == failure.key, [hint.key for hint in found.hints]
    assert found.verdict in ("failed", "stopped")
