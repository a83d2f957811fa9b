"""A LoRA file in words: plain lines, for the command line and the screens."""

from __future__ import annotations

from collections.abc import Iterator

from loratui.families import FAMILIES
from loratui.lora.checking.check import BURNT, NOTHING, Report
from loratui.lora.checking.measure import Strength
from loratui.lora.files.hashes import Hashes
from loratui.lora.files.metadata import Training
from loratui.lora.info import LoraInfo

_TYPES = {"lora": "LoRA", "locon": "LoCon", "loha": "LoHa", "lokr": "LoKr", "dora": "DoRA", "ia3": "IA3"}
_NAMINGS = {
    "kohya": "Kohya's names",
    "diffusers": "diffusers' names",
    "diffusers_old": "diffusers' older names",
    "peft": "peft's names",
    "comfyui": "ComfyUI's names",
    "other": "names of its own",
}
_BAR = 30
_TAGS_SHOWN = 12


def info_lines(info: LoraInfo) -> Iterator[str]:
    """What ``lora info`` prints."""
    yield f"{title(info)} ({info.family_evidence})"
    yield f"{'rank':<14}{rank_and_alpha(info)}"
    yield f"{'modules':<14}{info.modules} in {_NAMINGS[info.naming]}, {info.tensors} tensors"
    yield f"{'size':<14}{_size(info.bytes)}, {info.dtype}"
    if len({(block.ranks, block.alphas) for block in info.blocks}) > 1:
        yield from _block_table(info)
    yield from _training_lines(info.training)
    hashes = info.hashes
    yield f"{'sha256':<14}{hashes.sha256}"
    yield f"{'short hashes':<14}AutoV1 {hashes.autov1}, AutoV2 {hashes.autov2}, AutoV3 {hashes.autov3}"
    if hashes.sshs_matches is False:
        yield f"{'':<14}{other_hash(hashes)}"
    if info.leaks:
        yield "what its metadata gives away:"
        for leak in info.leaks:
            yield f"  {_one_line(leak.key)}: {leak.what} ({leak.example})"
    else:
        yield "its metadata gives nothing away"


def title(info: LoraInfo) -> str:
    """What it is and for which family: ``LoRA for SDXL``."""
    family = FAMILIES[info.family].title if info.family in FAMILIES else info.family
    return f"{_TYPES.get(info.type, info.type)} for {family or 'an unknown family'}"


def rank_and_alpha(info: LoraInfo) -> str:
    """``16, alpha 8``: what most modules have."""
    return f"{_or_unknown(info.rank)}, alpha {_alpha(info)}"


def other_hash(hashes: Hashes) -> str:
    """What is to be known when the metadata names another hash than the tensors have."""
    stored = _one_line(hashes.sshs_model_hash or "")[:12]
    return f"its metadata names another hash ({stored}): WebUIs show that one, Civitai AutoV3"


def verdict(report: Report) -> tuple[str, str]:
    """The judgement in a word or two, and in a sentence with the number."""
    told = report.effect == "nothing" or (
        report.effect == "burnt" and not (report.strength and report.strength.estimated)
    )
    faults = report.problems[:-1] if told else report.problems
    if faults:
        return ("has faults" if report.modules else "unusable"), _sentence(faults[0].message)
    if told:
        return ("does nothing" if report.effect == "nothing" else "burnt"), _sentence(
            report.problems[-1].message
        )
    if report.strength is None:
        return "whole", "It is whole and holds finite numbers; how strong it is was not measured."
    if report.effect == "burnt":
        return "burnt?", _sentence(report.remarks[-1])
    number = report.strength.overall_relative
    guessed = " (estimated)" if report.strength.estimated else ""
    return "fine", (
        f"Fine: it changes the weights by {number:.2g} of their size{guessed}."
        f" Below {NOTHING:.0e} it would do nothing, from {BURNT:g} on it would be burnt."
    )


def report_lines(report: Report) -> Iterator[str]:
    """What ``lora verify`` prints as data: the verdict and the chart."""
    if not report.modules:
        yield "not ok"
        return
    kind = _TYPES.get(report.type or "", report.type)
    matched = f", {report.matched} of them in the base model" if report.matched is not None else ""
    family = report.family or "unknown family"
    yield f"{'ok' if report.ok else 'not ok'}: {kind}, {family}, {report.modules} modules{matched}"
    if report.strength:
        yield from chart(report.strength)


def chart(strength: Strength) -> Iterator[str]:
    """The strength by block as bars, the strongest as long as the space."""
    sure = "estimated; --base makes it exact" if strength.estimated else "of the weights it changes"
    yield f"strength {strength.overall:.3g}, relative {strength.overall_relative:.2g} ({sure})"
    for row in bars(strength):
        yield f"  {row}"


def bars(strength: Strength, length: int = _BAR, full: str = "#") -> Iterator[str]:
    """A row for each block: name, norm of the change, its share of the weights' norm, a bar of ``full`` of at
    most ``length``."""
    highest = max(strength.blocks.values(), default=0.0)
    width = max(map(len, strength.blocks), default=0)
    for name, norm in strength.blocks.items():
        bar = full * round(length * norm / highest) if highest else ""
        yield f"{name:<{width}}  {norm:>9.3g}  {strength.relative[name]:>8.2g}  {bar}".rstrip()


def _training_lines(training: Training) -> Iterator[str]:
    settings = {name: _one_line(value) for name, value in training.settings.items()}
    for shown, value in (
        ("base model", _join(settings, "{base_model}", "({base_version})")),
        (
            "trained",
            _join(settings, "{steps} steps", "of {planned_steps},", "epoch {epoch}", "of {planned_epochs}"),
        ),
        (
            "rates",
            _join(settings, "{learning_rate},", "U-Net {unet_rate},", "text encoder {text_encoder_rate}"),
        ),
        ("optimizer", _join(settings, "{optimizer},", "{scheduler}")),
        ("batch", _join(settings, "{batch_size}", "at {resolution}")),
        ("pictures", _join(settings, "{pictures}", "and {regularization_pictures} for regularization")),
        ("trigger", settings.get("trigger", "")),
        ("made with", _join(settings, "{made_with}", "on {date}")),
        ("comment", settings.get("comment", "")),
    ):
        if value:
            yield f"{shown:<14}{value}"
    for index, folder in enumerate(training.folders):
        repeats = f", {folder.repeats} repeats" if folder.repeats is not None else ""
        images = f", {folder.images} pictures" if folder.images is not None else ""
        yield f"{'' if index else 'folders':<14}{_one_line(folder.name)}{repeats}{images}"
    if training.tags:
        shown_tags = ", ".join(f"{_one_line(tag)} {count}" for tag, count in training.tags[:_TAGS_SHOWN])
        more = training.tag_count - min(len(training.tags), _TAGS_SHOWN)
        yield f"{'tags':<14}{shown_tags}{f' and {more} more' if more > 0 else ''}"


def _block_table(info: LoraInfo) -> Iterator[str]:
    width = max(len(block.name) for block in info.blocks)
    for block in info.blocks:
        ranks = ", ".join(map(str, block.ranks)) or "none"
        alphas = ", ".join(f"{alpha:g}" for alpha in block.alphas) or "none"
        yield f"  {block.name:<{width}}  rank {ranks}  alpha {alphas}  ({block.modules} modules)"


def _join(settings: dict[str, str], *pieces: str) -> str:
    """The pieces whose setting is known."""
    known = [piece.format(**settings) for piece in pieces if piece.split("{")[1].split("}")[0] in settings]
    return " ".join(known).rstrip(",")


def _alpha(info: LoraInfo) -> str:
    return "not stored (as much as the rank)" if info.alpha is None else f"{info.alpha:g}"


def _or_unknown(value: int | None) -> str:
    return "none" if value is None else str(value)


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _one_line(text: str) -> str:
    """Text from outside, with its line breaks as blanks."""
    return " ".join(text[:2000].split())
