"""Reports that people posted, drawn at random and judged before the table had seen them: the first fatal hint
is one of the causes that fit, and what is healthy raises none."""

from __future__ import annotations

import html
from collections.abc import Callable
from pathlib import Path

import pytest

from loratui.runs.hints import matcher as hints
from loratui.runs.hints.diagnose import diagnose

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


def test_what_options_and_packages_print_is_named() -> None:
    """Messages of argparse, toml, tomllib, accelerate, optimizers, wandb, pip, conda and sd-scripts,
    and warnings of theirs that tell of no failure."""
    for line in (_FOLDER / "options.txt").read_text(encoding="utf-8").splitlines():
        causes, _, message = line.partition(" | ")
        found = diagnose([[message.replace("\\n", "\n").encode()]]).hints
        first = [hint.key for hint in found if hint.severity == "fatal" or hint.key in causes.split()][:1]
        assert first in ([[]] if causes == "-" else [[cause] for cause in causes.split()]), message


def _each(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "\n".join(map(change, text.split("\n")))


AS_POSTED: list[Callable[[str], str]] = [
    _each(lambda line: f"> {line}"),
    _each(lambda line: f"2024-08-01T12:00:00.123456789Z stderr F {line}"),
    _each(lambda line: f"[2024-08-01 12:00:00,123] {line}"),
    _each(lambda line: f"[ERROR] {line}"),
    _each(lambda line: f"Nov 24 13:31:11 host python[123]: {line}"),
    _each(lambda line: f"\x1b[31m{line}\x1b[0m" if line else ""),
    lambda text: text.replace("\n", "\r\n"),
    lambda text: html.escape(text).replace("\n", "<br>\n"),
    lambda text: f"I get this when I start it:\n```\n{text}\n```\nAny ideas?",
]


def test_what_stands_around_a_report_changes_no_answer() -> None:
    """Each report in one of these guises, by turns."""
    for number, (head, _, text) in enumerate(REPORTS[::6]):
        plain = [hint.key for hint in diagnose([[text.encode()]]).hints][:1]
        seen = AS_POSTED[number % len(AS_POSTED)](text)
        assert [hint.key for hint in diagnose([[seen.encode()]]).hints][:1] in (plain, []), head


def test_what_is_left_of_a_cut_report_hardly_ever_misleads() -> None:
    """Its last ten lines alone may tell less, and seldom another cause."""
    some, others = REPORTS[1::6], []
    for head, _, text in some:
        rest = "\n".join([line for line in text.split("\n") if line.strip()][-10:])
        keys = [hint.key for hint in diagnose([[rest.encode()]]).hints if hint.severity == "fatal"]
        row = hints.rule(keys[0]) if keys else None
        if row and not row.is_general and row.key not in head.partition(" | ")[0].split():
            others.append((head, row.key))
    assert len(others) <= len(some) // 50, others
