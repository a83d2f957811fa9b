"""What the check found, for the Dataset step and for a page of its own."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from textual.content import Content

from loratui.dataset.bucket_picture import bars, boxes
from loratui.dataset.checking.checklist import checklist, verdict
from loratui.dataset.checking.checks import Report
from loratui.dataset.checking.finding import Finding
from loratui.dataset.pictures.probing import Progress
from loratui.tui.glyphs import glyphs
from loratui.tui.text import clip, clip_path, column, number, plain, squeeze

Part = tuple[str, str]
_COLOURS = {"error": "$error", "warning": "$warning", "info": "$text-muted"}
_SHOWN_FILES = 12


def summary(
    report: Report | None, progress: Progress | None, stopped: bool, width: int, rows: int
) -> Content:
    """As much as fits into ``rows``: verdict, checklist, a picture of the buckets, the first findings."""
    if report is None:
        return Content("")
    lines: list[list[Part]] = [_verdict(report, progress, stopped), *_list(report, width)]
    left = rows - len(lines)
    drawn = boxes(report.buckets, width - 2, unicode=glyphs().unicode) if report.buckets else []
    findings = report.findings
    if drawn and left >= len(drawn) + 1 + min(3, len(findings)):
        lines += [[("", "")], *([(f" {line}", "$text-muted")] for line in drawn)]
        left -= len(drawn) + 1
    return _joined([*lines, *_first(findings, left - 1, width)])


def _first(findings: Sequence[Finding], rows: int, width: int) -> list[list[Part]]:
    """As many findings as ``rows`` have room for: whole ones while every other one still gets a row."""
    lines: list[list[Part]] = []
    for at, finding in enumerate(findings[: max(0, rows)]):
        waiting = min(len(findings), rows) - at - 1
        words = squeeze(plain(finding.message), width - 4, max(1, min(3, rows - len(lines) - waiting)))
        said = fill(words, width, initial_indent=f"  {_sign(finding)} ", subsequent_indent="    ")
        lines += [[(row, _COLOURS[finding.severity])] for row in said.split("\n")]
        if len(lines) >= rows:
            break
    return lines[: max(0, rows)]


def _verdict(report: Report, progress: Progress | None, stopped: bool) -> list[Part]:
    words = verdict(report)
    if report.findings:
        words += f" ctrl+o shows {number(len(report.findings), 'finding')}."
    if stopped:
        return [(f"  {glyphs().unusual} Stopped half way; ctrl+g goes on. {words}", "$warning")]
    if progress is not None and progress.total:
        if progress.done == progress.total:
            words = f"Comparing {number(progress.total, 'picture')} with each other; ctrl+g stops."
            return [(f"  {words}", "$accent")]
        what = "Reading files" if progress.stage == "files" else "Looking at pictures"
        return [(f"  {what}: {progress.done:,} of {progress.total:,}; ctrl+g stops.", "$accent")]
    colour = "$error" if report.has_errors else "$success"
    return [(f"  {glyphs().wrong if report.has_errors else glyphs().fine} {words}", f"bold {colour}")]


def _list(report: Report, width: int) -> list[list[Part]]:
    signs = {"yes": (glyphs().fine, "$success"), "no": (glyphs().wrong, "$error"), "open": ("?", "")}
    half = width // 2
    cells: list[Part] = []
    for item in checklist(report):
        sign, colour = signs[item.answer]
        detail = f": {item.detail}" if item.detail else ""
        cell = f"  {sign} {item.words}{detail}"
        if len(cell) > half - 1 and item.detail[:1].isdigit():
            cell = f"  {sign} {item.words}: {item.detail.partition(' ')[0]}"
        cells.append((cell, colour))
    if half < 38:
        return [[cell] for cell in cells]
    return [
        [
            (column(text, half - 1) + " " if at == 0 else clip(text, half - 1), colour)
            for at, (text, colour) in enumerate(cells[start : start + 2])
        ]
        for start in range(0, len(cells), 2)
    ]


def page(report: Report, width: int) -> Content:
    """Everything, to be scrolled through."""
    lines: list[list[Part]] = [*_list(report, width), [("", "")]]
    lines += [
        [(f" {line}", "")] for line in boxes(report.buckets, width - 2, unicode=glyphs().unicode, rows=2)
    ]
    lines += [[("", "")]]
    lines += [
        [(f"  {line}", "$text-muted")] for line in bars(report.buckets, width - 4, unicode=glyphs().unicode)
    ]
    for finding in report.findings:
        lines += [
            [("", "")],
            [(f"{_sign(finding)} {finding.severity} {finding.code}", _COLOURS[finding.severity])],
        ]
        lines.append([(f"  {plain(finding.message)}", "")])
        lines.append([(f"  > {plain(finding.fix)}", "bold")])
        lines += [
            [(f"    {clip_path(name, width - 6)}", "$text-muted")] for name in finding.files[:_SHOWN_FILES]
        ]
        if len(finding.files) > _SHOWN_FILES:
            lines.append([(f"    and {len(finding.files) - _SHOWN_FILES:,} more", "$text-muted")])
    return _joined(lines)


def _sign(finding: Finding) -> str:
    return {"error": glyphs().wrong, "warning": glyphs().unusual}.get(finding.severity, "i")


def _joined(lines: list[list[Part]]) -> Content:
    parts: list[Part] = []
    for at, line in enumerate(lines):
        parts += [("\n", "")] * (at > 0) + line
    return Content.assemble(*parts)
