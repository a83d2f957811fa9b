"""Findings about single pictures: broken ones, and those the trainer sees otherwise than a person does."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from loratui.dataset.checking import thresholds
from loratui.dataset.checking.finding import Finding, Severity, number, says
from loratui.dataset.pictures.headers import Header
from loratui.dataset.pictures.probe_cache import Probe
from loratui.recipe.document import FamilyName

Probes = Mapping[Path, Probe]


def size(probe: Probe) -> tuple[int, int]:
    """(width, height) in pixels, (0, 0) when neither header nor decoder knows."""
    if probe.header.width:
        return probe.header.width, probe.header.height
    return (probe.pixels.width, probe.pixels.height) if probe.pixels else (0, 0)


def usable(probe: Probe) -> bool:
    """Whether the trainer can open it, as far as is known yet."""
    fault = probe.pixels.fault if probe.pixels else probe.header.fault
    return not fault and min(size(probe)) > 0 and size(probe)[0] * size(probe)[1] <= thresholds.BOMB_PIXELS


def picture_findings(probes: Probes, family: FamilyName) -> list[Finding]:
    """Everything single pictures show, from as much as was looked at so far."""
    return [*_broken(probes), *_seen_otherwise(probes), *_shape(probes, family), *_blurry(probes)]


def _broken(probes: Probes) -> Iterator[Finding]:
    def made(
        code: str, severity: Severity, test: Callable[[Probe], bool], what: str, fix: str
    ) -> Iterator[Finding]:
        files = tuple(str(path) for path, probe in probes.items() if test(probe))
        if files:
            message = f"{number(len(files), 'picture')} {what}"
            yield Finding(code, severity, files, message, fix)

    again = "Copy them here once more, or delete them."
    yield from made(
        "image_zero_bytes",
        "error",
        lambda probe: probe.header.fault == "zero_bytes",
        "of 0 bytes: nothing arrived; the trainer ends with an error on it.",
        again,
    )
    yield from made(
        "image_bomb",
        "error",
        lambda probe: _pixels(probe.header) > thresholds.BOMB_PIXELS or _refused(probe) == "bomb",
        f"of more than {thresholds.BOMB_PIXELS // 1_000_000} megapixels: the trainer refuses to open it.",
        "Scale them down.",
    )
    yield from made(
        "image_truncated",
        "error",
        lambda probe: _refused(probe) == "truncated",
        "cut off in the middle, as by a broken download: the trainer ends with an error on it.",
        again,
    )
    yield from made(
        "image_truncated",
        "warning",
        lambda probe: _tolerated(probe, "truncated"),
        "not complete at the end of the file; the trainer takes it, perhaps with a part missing.",
        again,
    )
    yield from made(
        "image_unreadable",
        "error",
        lambda probe: _refused(probe) == "unreadable",
        "that no decoder can open: the trainer ends with an error on it.",
        again,
    )
    yield from made(
        "image_unreadable",
        "warning",
        lambda probe: _tolerated(probe, "damaged") or _tolerated(probe, "unreadable"),
        "with damaged data; the trainer takes it, perhaps with a part spoiled.",
        again,
    )


def _refused(probe: Probe) -> str:
    """Why the trainer's decoder refuses it; before decoding, what is certain already."""
    if probe.header.fault == "zero_bytes" or _pixels(probe.header) > thresholds.BOMB_PIXELS:
        return ""
    if probe.pixels is None:
        return probe.header.fault if probe.header.fault in ("truncated", "unreadable") else ""
    fault = probe.pixels.fault
    return "truncated" if fault == "unreadable" and probe.header.fault == "truncated" else fault


def _tolerated(probe: Probe, fault: str) -> bool:
    return probe.header.fault == fault and probe.pixels is not None and not probe.pixels.fault


def _pixels(header: Header) -> int:
    return header.width * header.height


def _seen_otherwise(probes: Probes) -> Iterator[Finding]:
    good = {path: probe for path, probe in probes.items() if usable(probe)}

    def files(test: Callable[[Probe], bool]) -> tuple[str, ...]:
        return tuple(str(path) for path, probe in good.items() if test(probe))

    if found := files(lambda probe: probe.header.animated):
        yield Finding(
            "image_animated",
            "warning",
            found,
            f"{number(len(found), 'animation')}: only the first frame is trained.",
            "Save the frame you mean as a picture of its own.",
        )
    if found := files(lambda probe: probe.pixels is not None and probe.pixels.transparent):
        yield Finding(
            "image_alpha",
            "warning",
            found,
            f"{number(len(found), 'picture')} with transparent parts: the trainer drops transparency, and"
            " whatever colour is hidden under it (often black) becomes the background.",
            "Flatten them on a plain colour, usually white.",
        )
    if found := files(lambda probe: probe.header.orientation != 1):
        yield Finding(
            "image_exif_rotated",
            "warning",
            found,
            f"{number(len(found), 'picture')} turned only by an EXIF note, which the trainer does not read:"
            f" it sees {says(len(found), 'it', 'them')} lying on the side or mirrored.",
            "Turn the pixels themselves (save with the rotation applied).",
        )
    if found := files(lambda probe: probe.header.cmyk):
        yield Finding(
            "image_cmyk",
            "warning",
            found,
            f"{number(len(found), 'picture')} in CMYK, the colours of print: they shift when the trainer"
            " makes RGB of them.",
            "Convert them to RGB (sRGB).",
        )
    if found := files(lambda probe: probe.header.deep == "grey"):
        yield Finding(
            "image_16bit",
            "warning",
            found,
            f"{number(len(found), 'picture')} in 16-bit grey, which the trainer cuts to 8 bits so that most"
            " of it turns white.",
            "Convert them to 8 bits a channel.",
        )
    if found := files(lambda probe: probe.header.deep == "colour"):
        yield Finding(
            "image_16bit",
            "info",
            found,
            f"{number(len(found), 'picture')} in 16-bit colour; the trainer keeps 8 of them, which seldom"
            " shows.",
            "Convert them to 8 bits a channel, to load faster.",
        )


def _shape(probes: Probes, family: FamilyName) -> Iterator[Finding]:
    small: list[str] = []
    long: list[str] = []
    for path, probe in probes.items():
        width, height = size(probe)
        if not usable(probe):
            continue
        if width * height < thresholds.min_area(family):
            small.append(str(path))
        if max(width, height) > thresholds.EXTREME_ASPECT * min(width, height):
            long.append(str(path))
    if small:
        side = round((thresholds.min_area(family) / thresholds.BUCKET_AREA_SLACK) ** 0.5)
        yield Finding(
            "image_small",
            "warning",
            tuple(small),
            f"{number(len(small), 'picture')} with fewer pixels than {side}x{side}, the least for {family}:"
            " the LoRA learns the blur of enlarging.",
            "Find larger originals, or leave them out.",
        )
    if long:
        yield Finding(
            "image_extreme_aspect",
            "warning",
            tuple(long),
            f"{number(len(long), 'picture')} more than {thresholds.EXTREME_ASPECT:g} times as long as wide:"
            " much is cropped away or shrunk.",
            "Crop them to what matters.",
        )


def _blurry(probes: Probes) -> Iterator[Finding]:
    sharp = {
        path: probe.pixels.sharpness
        for path, probe in probes.items()
        if probe.pixels is not None
        and usable(probe)
        and probe.pixels.range >= thresholds.FLAT_RANGE
        # Cut to 8 bits, 16-bit grey is nearly white: that is another finding.
        and probe.header.deep != "grey"
    }
    if len(sharp) < thresholds.BLUR_FEWEST:
        return
    line = min(thresholds.BLUR_LAPLACIAN, thresholds.BLUR_SHARE * statistics.median(sharp.values()))
    found = sorted((value, str(path)) for path, value in sharp.items() if value < line)
    if found:
        yield Finding(
            "image_blurry",
            "info",
            tuple(path for _, path in found),
            f"{number(len(found), 'picture')} far softer than the rest of the set, possibly blurred"
            " (flat drawings look the same to this measure).",
            "Look at them, and leave out what is out of focus.",
        )
