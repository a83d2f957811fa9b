"""Events survive their form as JSON lines; torn lines do no harm."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.events import (
    Checkpoint,
    Event,
    Phase,
    Record,
    Step,
    decode_event,
    decode_records,
    encode,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        Step,
        step=st.integers(0, 10**9),
        loss=st.none() | finite,
        rates=st.dictionaries(st.text(max_size=5), finite, max_size=3),
        finite=st.booleans(),
    ),
    st.builds(Checkpoint, path=st.text(), step=st.integers(0), final=st.booleans()),
    st.builds(Phase, name=st.sampled_from(["caching", "training"]), detail=st.text()),
)


@given(events)
def test_an_event_is_one_line_that_reads_back(event: Event) -> None:
    line = encode(event)
    assert b"\n" not in line
    assert decode_event(line) == event


@given(st.lists(events, min_size=1, max_size=5), st.integers(0, 200))
def test_a_torn_last_line_loses_only_itself(many: list[Event], cut: int) -> None:
    records = [Record(index, 1.0, 2.0, event) for index, event in enumerate(many)]  # type: ignore[arg-type]
    lines = [encode(record) for record in records]
    torn = lines[-1][: min(cut, len(lines[-1]) - 1)]
    assert list(decode_records([*lines[:-1], torn])) == records[:-1]


def test_a_loss_that_is_not_a_number_is_json_null() -> None:
    assert b"null" in encode(Step(1, loss=float("nan"), finite=False))


@pytest.mark.parametrize("line", [b"", b"{}", b'{"event":"step"}', b'{"event":"unknown"}', b"[1]"])
def test_what_is_no_event_is_refused(line: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_event(line)
