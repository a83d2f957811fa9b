"""Reports that people posted, drawn at random and judged before the table had seen them: the first fatal hint
is one of the causes that fit, and what is healthy raises none."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui.runs.diagnose import diagnose

_FOLDER = Path(__file__).parent / "posted"
REPORTS = [
    part.partition("\n") for part in (_FOLDER / "reports.txt").read_text(encoding="utf-8").split("##### ")[1:]
]
MESSAGES = [
    tuple(line.split(" | ", 1))
    for line in (_FOLDER / "messages.txt").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("report", REPORTS, ids=lambda report: report[0].replace(" | ", "-"))
def test_the_cause_is_named(report: tuple[str, str, str]) -> None:
    head, _, text = report
    causes = head.partition(" | ")[0].split()
    found = diagnose([[text.encode()]]).hints
    fatal = [hint.key for hint in found if hint.severity == "fatal"]
    if causes == ["-"]:
        assert not fatal
    else:
        assert (fatal or [hint.key for hint in found])[:1] in [[cause] for cause in causes]


@pytest.mark.parametrize(("key", "message"), MESSAGES)
def test_a_message_alone_is_named(key: str, message: str) -> None:
    assert [hint.key for hint in diagnose([[message.encode()]]).hints] == [key]
