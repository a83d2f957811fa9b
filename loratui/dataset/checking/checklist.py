"""The verdict of a check: what a person wants to know before paying for a GPU, as a list of yes and no."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loratui.dataset.checking.checks import Report
from loratui.dataset.checking.finding import Finding, number

Answer = Literal["yes", "no", "open"]
"""``open``: nothing speaks against it yet, and not everything has been looked at."""


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the list."""

    words: str
    answer: Answer
    detail: str = ""
    """With ``no``: how much is wrong."""


@dataclass(frozen=True, slots=True)
class _Question:
    words: str
    denied: str
    """What it reads when the answer is no; a number follows."""
    codes: frozenset[str]
    noun: str
    wants_pixels: bool = False
    errors_only: bool = False


_QUESTIONS = (
    _Question(
        "no picture is broken",
        "broken",
        frozenset({"image_unreadable", "image_truncated", "image_zero_bytes", "image_bomb"}),
        "picture",
        wants_pixels=True,
        errors_only=True,
    ),
    _Question(
        "every picture has a caption",
        "without a caption",
        frozenset({"caption_missing", "caption_empty", "caption_not_utf8"}),
        "picture",
    ),
    _Question(
        "only folders named N_name",
        "not named N_name",
        frozenset({"folder_no_repeats", "folder_is_leaf", "folder_empty"}),
        "folder",
    ),
    _Question("no folders inside them", "inside another", frozenset({"folder_nested"}), "folder"),
    _Question("enough pictures", "few pictures", frozenset({"few_images"}), ""),
)


def checklist(report: Report) -> tuple[Item, ...]:
    """The five questions and their answers."""
    return tuple(_item(question, report) for question in _QUESTIONS)


def _item(question: _Question, report: Report) -> Item:
    against = [finding for finding in report.findings if _denies(finding, question)]
    if against:
        files = {name for finding in against for name in finding.files}
        detail = number(len(files), question.noun) if question.noun else number(report.images, "picture")
        return Item(question.denied, "no", detail)
    if question.noun == "" and report.images == 0:
        return Item(question.denied, "no", "none at all")
    is_open = question.wants_pixels and report.stage != "done"
    return Item(question.words, "open" if is_open else "yes")


def _denies(finding: Finding, question: _Question) -> bool:
    return finding.code in question.codes and (finding.severity == "error" or not question.errors_only)


def verdict(report: Report) -> str:
    """One sentence."""
    errors = sum(finding.severity == "error" for finding in report.findings)
    if errors:
        return f"Not ready: {number(errors, 'error')} to mend first."
    if report.stage != "done":
        return "Nothing speaks against it so far."
    if any(finding.severity == "warning" for finding in report.findings):
        return "Ready to train. The warnings cost quality, not the run."
    if report.findings:
        return "Ready to train; what was found is only worth a look."
    return "Ready to train: nothing wrong was found."
