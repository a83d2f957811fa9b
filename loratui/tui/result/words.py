"""A run's files in words: pure functions to what the result screen shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from textual.content import Content

from loratui.runs.hardware.ssh import SshAddress, scp_out, shell_quoted
from loratui.tui import text
from loratui.tui.glyphs import glyphs
from loratui.tui.result import carry
from loratui.tui.result.files import Looked, Saved
from loratui.tui.widgets.rows import Row

HELP = (
    "Strength is how much a LoRA changes the weights of the model it is put on, at strength 1.\n"
    "A loss says how training went; which checkpoint is best only pictures tell: loratui lora try.\n"
    "up and down choose a file, page up and page down move what is said of it.\n"
    "This screen reads and changes nothing."
)
_STYLES = {"fine": "$success", "whole": "$success"}
_UNUSUAL = ("burnt?", "has faults")
_ROWS = {"fine": "good", "whole": "good", "burnt?": "warn", "has faults": "warn"}
_BLOCKS = 40
_LEAKS = 30
_LONGEST = 400
_LENGTH = {False: 16, True: 40}


@dataclass(frozen=True, slots=True)
class Around:
    """What is known of the run besides its files."""

    run_id: str
    trigger: str
    base: str
    """Where the base model lies; empty when it is not on this machine."""
    at: SshAddress | None
    environment: Mapping[str, str] = field(default_factory=dict)


def head(name: str, files: tuple[Saved, ...], known: int, width: int) -> str:
    """Title, and how far reading is."""
    title = f"{text.clip(name, 40)}   result"
    if known < len(files):
        doing = f"reading {known + 1} of {len(files)}: {text.plain(files[known].path.name)}"
        return text.clip(f"{title}   {doing}", width)
    return title


def columns(width: int) -> str:
    """The head of the list."""
    return text.clip(f"  {'STEP':>8}  {'SIZE':>8}  {'STRENGTH':>8}  {'VERDICT':<14}  FILE", width)


def row(saved: Saved, looked: Looked | None, width: int) -> Row:
    """One file of the list."""
    if looked is None:
        size, strength, verdict = "", "", "not read yet"
    else:
        verdict = short(looked)
        size = text.size(looked.info.bytes) if looked.info else "-"
        found = looked.report.strength if looked.report else None
        strength = f"{found.overall_relative:.2g}" if found else "-"
    name = text.plain(saved.path.name).removesuffix(".safetensors") + ("  final" if saved.final else "")
    return (
        (f"{saved.step:>8,}  {size:>8}  {strength:>8}  ", ""),
        (f"{sign(verdict)} {verdict:<12}  ", "dim" if looked is None else _ROWS.get(verdict, "bad")),
        (text.clip_middle(name, max(8, width - 50)), "strong" if saved.final else ""),
    )


def short(looked: Looked) -> str:
    """The judgement in a word or two."""
    from loratui.lora.words import verdict

    if looked.report is None:
        return "not there"
    return verdict(looked.report)[0]


def sign(verdict: str) -> str:
    """One character that says what the colour says."""
    if verdict in _STYLES:
        return glyphs().fine
    if verdict == "not read yet":
        return glyphs().between
    return glyphs().unusual if verdict in _UNUSUAL else glyphs().wrong


def page(saved: Saved, looked: Looked | None, around: Around, width: int) -> Content:
    """All there is to say of one file."""
    if looked is None:
        return Content("It is being read: hashes, every number in it, and how strong it is.")
    parts: list[tuple[str, str]] = []
    parts += _judgement(looked)
    if looked.info is not None:
        parts.append((f"{_about(saved, looked, around)}\n", ""))
    else:
        parts.append((f"File     {text.home_path(saved.path)}\n", ""))
    parts += _strength(looked, width)
    if looked.info is not None:
        parts += _next(saved, looked, around)
        parts += _hashes(looked)
        parts += _leaks(saved, looked)
    return Content.assemble(*parts)


def _judgement(looked: Looked) -> Iterator[tuple[str, str]]:
    from loratui.lora.words import verdict

    if looked.report is None:
        yield f"{glyphs().wrong} {_foreign(looked.error)}\n", "bold $error"
        return
    word, sentence = verdict(looked.report)
    style = _STYLES.get(word, "$warning" if word in _UNUSUAL else "$error")
    yield f"{sign(word)} {_foreign(sentence)}\n", f"bold {style}"
    for index, problem in enumerate(looked.report.problems):
        if index or _foreign(problem.message).lower() != _foreign(sentence).lower():
            yield f"  {_foreign(problem.message)}\n", "$warning"
        if problem.fix:
            yield f"  {_foreign(problem.fix)}\n", ""
    for remark in looked.report.remarks:
        if remark.lower() != sentence.lower():
            yield f"  {_foreign(remark)}\n", "$text-muted"
    for skipped in looked.report.skipped:
        yield f"  {_foreign(skipped)}\n", "$text-muted"
    if looked.error and looked.info is None and looked.report.ok:
        yield f"  {_foreign(looked.error)}\n", "$warning"


def _about(saved: Saved, looked: Looked, around: Around) -> str:
    from loratui.lora.words import rank_and_alpha, title

    info = looked.info
    assert info is not None
    trigger = around.trigger or info.training.settings.get("trigger", "")
    said = f"{text.clip(_foreign(trigger), 60)}  (write it in the prompt)" if trigger else "none"
    return (
        f"What     {_foreign(title(info))}, {text.number(info.modules, 'module')},"
        f" {text.size(info.bytes)}, {_foreign(info.dtype)}\n"
        f"Rank     {rank_and_alpha(info)}\n"
        f"Trigger  {said}\n"
        f"File     {text.home_path(saved.path)}"
    )


def _strength(looked: Looked, width: int) -> Iterator[tuple[str, str]]:
    from loratui.lora.words import bars

    strength = looked.report.strength if looked.report else None
    if strength is None:
        return
    guessed = " (estimated)" if strength.estimated else ""
    yield "\nStrength ", "bold"
    yield f"{strength.overall_relative:.2g} of the weights{guessed}, norm {strength.overall:.3g}\n", ""
    rows = list(bars(strength, _LENGTH[width >= 100], glyphs().bar_full))
    yield "\n".join(f"  {row}" for row in rows[:_BLOCKS]) + "\n", ""
    if len(rows) > _BLOCKS:
        yield f"  and {len(rows) - _BLOCKS} more blocks\n", "$text-muted"


def _next(saved: Saved, looked: Looked, around: Around) -> Iterator[tuple[str, str]]:
    line = scp_out(saved.path, around.at)
    if line:
        yield "\nTo your computer: type there (y copies it)\n", "bold"
        yield f"    {line}\n", ""
        yield "  On a rented machine, host and port are those of your own ssh command.\n", "$text-muted"
    else:
        yield "\nTo your image program: copy the file into its LoRA folder (y copies the path)\n", "bold"
    for purpose, command in carry.other_ways(saved.path, around.at, around.environment):
        yield f"  {purpose}\n", "$text-muted"
        yield f"    {command}\n", ""
    yield "\nNext, on this machine, in its folder\n", "bold"
    yield f"    cd {shell_quoted(str(saved.path.parent))}\n", ""
    family = looked.info.family if looked.info else None
    for purpose, command in carry.commands(saved.path, around.run_id, around.base, family):
        yield f"  {purpose}\n", "$text-muted"
        yield f"    {command}\n", ""


def _hashes(looked: Looked) -> Iterator[tuple[str, str]]:
    from loratui.lora.words import other_hash

    assert looked.info is not None
    hashes = looked.info.hashes
    yield "\nHashes\n", "bold"
    yield f"  sha256   {hashes.sha256}\n", ""
    yield f"  A1111    {hashes.autov2} (AutoV2), {hashes.autov1} (AutoV1, older)\n", ""
    yield f"  Civitai  {hashes.autov3} (AutoV3), {hashes.autov2} (AutoV2)\n", ""
    if hashes.sshs_matches is False:
        yield f"  {_foreign(other_hash(hashes))}\n", "$warning"


def _leaks(saved: Saved, looked: Looked) -> Iterator[tuple[str, str]]:
    assert looked.info is not None
    leaks = looked.info.leaks
    if not leaks:
        yield "\nIts metadata gives nothing away.\n", ""
        return
    yield "\nWhat its metadata gives away\n", "bold"
    for leak in leaks[:_LEAKS]:
        yield f"  {text.clip(_foreign(leak.key), 40)}: {leak.what} ({_foreign(leak.example)})\n", ""
    if len(leaks) > _LEAKS:
        yield f"  and {len(leaks) - _LEAKS} more\n", "$text-muted"
    yield "  a copy without them:\n", "$text-muted"
    yield f"    {carry.strip(saved.path)}\n", ""


def _foreign(words: str) -> str:
    """Text with names from a file in it."""
    return text.clip(text.plain(words), _LONGEST)
