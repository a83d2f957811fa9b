"""What others put around a log's lines is taken off again, and what its program printed is left alone."""

from __future__ import annotations

import html
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.cleaning import LIMIT
from loratui.runs.hints.diagnose import diagnose
from loratui.runs.hints.quoted import Unquoted, unquoted

LOG = """prepare optimizer, data loader etc.
Traceback (most recent call last):
  File "/opt/sd/library/train_util.py", line 295, in select_bucket
    ar_error = (reso[0] / reso[1]) - aspect_ratio
ZeroDivisionError: division by zero
"""

AROUND: dict[str, Callable[[str], str]] = {
    "a quotation": lambda line: f"> {line}",
    "a quotation of one": lambda line: f"> > {line}",
    "an ISO time": lambda line: f"2024-08-01T12:00:00.123456789Z {line}",
    "kubernetes": lambda line: f"2024-08-01T12:00:00.123456789Z stderr F {line}",
    "a time": lambda line: f"2024-08-01 12:00:00 {line}",
    "a time in brackets": lambda line: f"[2024-08-01 12:00:00,123] {line}",
    "a clock": lambda line: f"[12:00:00] {line}",
    "logging": lambda line: f"2024-08-01 12:00:00,123 - ERROR - {line}",
    "loguru": lambda line: f"2024-08-01 12:00:00.123 | ERROR    | __main__:train:123 - {line}",
    "a level": lambda line: f"[ERROR] {line}",
    "a stream": lambda line: f"stderr: {line}",
    "Kaggle": lambda line: f"123.4s 57 {line}",
    "the journal": lambda line: f"Nov  4 13:31:11 host trainer[123]: {line}",
    "a worker": lambda line: f"(Trainer pid=123, ip=10.0.0.7) {line}",
    "a colour without its escape": lambda line: f"[31m{line}[0m",
    "a web page": html.escape,
    "a web page's breaks": lambda line: f"{html.escape(line)}<br>",
    "a no-break space": lambda line: line.replace(" ", "\u00a0"),
    "a word processor": lambda line: line.replace('"', "\u201d").replace("'", "\u2019"),
    "code": lambda line: f"`{line}`" if line else "",
    "escapes": lambda line: line.replace("_", r"\_") if "File" not in line else line,
}


@pytest.mark.parametrize("around", AROUND)
def test_the_hint_is_the_same_whatever_stands_around(around: str) -> None:
    text = "\n".join(AROUND[around](line) for line in LOG.splitlines())
    found = diagnose([[text.encode()]])
    assert [hint.key for hint in found.hints] == ["image_too_small"]
    assert found.verdict == "failed"


@pytest.mark.parametrize(
    "line",
    [
        "2026-01-02 03:04:05 INFO     prepare images.          train_util.py:2112",
        "                    WARNING  no regularization images  train_util.py:2167",
        "2024-08-18 02:09:33.530103: E cuda_dnn.cc:9261] Unable to register cuDNN factory",
        "steps:  12%|# | 120/1000 [02:10<15:56,  1.09s/it, avr_loss=0.101]",
        '@loratui {"event":"message","text":"> [31m &gt; `x`"}',
        "    raise ValueError(`x`)",
        "09:37:55-984016 ERROR    LoRA type must be set",
        "`flshattF` is not supported because:",
    ],
)
def test_what_the_trainer_printed_stays(line: str) -> None:
    assert unquoted(line.encode()) == line.encode()


@given(
    st.lists(
        st.sampled_from([b"> a", b"[12:00:00] b", b"\r", b"\n", b"\r\n", b"steps: 1", b""]), max_size=12
    ),
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
)
def test_cut_anywhere_it_is_the_same(parts: list[bytes], sizes: list[int]) -> None:
    data, at = b"".join(parts), 0
    got: list[bytes] = []
    whole, cut = Unquoted(), Unquoted()
    expected = [*whole.feed(data), *whole.close()]
    for index in range(len(data)):
        size = sizes[index % len(sizes)]
        got += cut.feed(data[at : at + size])
        at += size
        if at >= len(data):
            break
    assert b"".join([*got, *cut.close()]) == b"".join(expected)


def test_an_endless_line_is_let_through_in_parts() -> None:
    reader, given_out = Unquoted(), 0
    for _ in range(50):
        given_out += sum(map(len, reader.feed(b"x" * 4096)))
    assert given_out >= 50 * 4096 - LIMIT
