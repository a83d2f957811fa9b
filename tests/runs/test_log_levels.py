"""How grave a log line is."""

from __future__ import annotations

import pytest

from loratui.runs.log_levels import level


@pytest.mark.parametrize(
    ("line", "grave"),
    [
        ("2026-11-21 02:55:58 ERROR    No data found. Please verify arguments", "error"),
        ("Traceback (most recent call last):", "error"),
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB", "error"),
        ("ModuleNotFoundError: No module named 'lion_pytorch'", "error"),
        ("KeyboardInterrupt", "error"),
        ("error: The loss is no number", "error"),
        ("                    WARNING  ignore directory without repeats", "warning"),
        ("/a/b.py:3: FutureWarning: this will go", "warning"),
        ("warning: There is no GPU here", "warning"),
        ("mean ar error (without repeats): 0.3125", ""),
        ("steps:  12%|#2        | 1/8 [00:07<00:50,  7.21s/it, avr_loss=1.01]", ""),
        ("no regularization images", ""),
        ("saving checkpoint: /out/ErrorPrince.safetensors", ""),
    ],
)
def test_by_the_marks_of_logging_and_tracebacks(line: str, grave: str) -> None:
    assert level(line) == grave
