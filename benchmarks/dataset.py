"""What the dataset check costs, beside the fastest bare decode of the same pictures.

    python benchmarks/dataset.py [PICTURES]

A mix of JPEG, PNG and WEBP of 0.5 to 4 megapixels is drawn (300 unless told otherwise), then decoded in full
by Pillow, in full by the fastest decoders on PyPI (simplejpeg and imagecodecs, where they are installed),
checked, and checked again, each in a process of its own. Prints one JSON object; CPU seconds and ratios
count, wall times depend on what else runs. Exits 1 when a goal is missed: the check within 1.10 of the
fastest decode, what the bytes alone say within 0.04 of it, the second check 20 times cheaper than the first.
Below 1,000 pictures the start of the process counts in all of them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

CHECK = 1.10
GATE = 0.04
SECOND_RUN = 20
_SUFFIXES = ("jpg", "jpg", "jpg", "jpg", "jpg", "jpg", "png", "png", "webp", "webp")
_SIZES = ((832, 640), (1024, 1024), (1216, 832), (1536, 1024), (2048, 2048))


def make_picture(folder: Path, number: int) -> None:
    """One of them has grain like a photo, the next is flat like a drawing; no two alike."""
    from PIL import Image, ImageDraw

    dice = random.Random(number)
    size = dice.choice(_SIZES)
    picture = Image.new("RGB", size, tuple(dice.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(40):
        x, y = dice.randrange(size[0]), dice.randrange(size[1])
        colour = tuple(dice.randrange(256) for _ in range(3))
        pen.ellipse((x, y, x + dice.randrange(20, 400), y + dice.randrange(20, 400)), fill=colour)
    if number % 2:
        grain = Image.merge("RGB", [Image.effect_noise(size, 40) for _ in range(3)])
        picture = Image.blend(picture, grain, 0.25)
    path = folder / f"p{number:05}.{_SUFFIXES[number // 2 % len(_SUFFIXES)]}"
    picture.save(path, quality=90)
    path.with_suffix(".txt").write_text(f"ohwx, pose {number % 7}", encoding="utf-8")
    # The cache trusts only files that have been still for a while.
    os.utime(path, (1_700_000_000, 1_700_000_000))


def make_pictures(folder: Path, count: int) -> None:
    """All of them, on every core."""
    folder.mkdir(parents=True)
    with ProcessPoolExecutor() as pool:
        list(pool.map(partial(make_picture, folder), range(count), chunksize=16))


def bare(root: Path) -> None:
    """Every picture opened and loaded, nothing else."""
    from PIL import Image

    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".txt":
            with Image.open(path) as picture:
                picture.load()


def fastest(root: Path) -> None:
    """The same by simplejpeg and imagecodecs."""
    import imagecodecs
    import simplejpeg

    for path in sorted(root.rglob("*")):
        match path.suffix:
            case ".jpg":
                simplejpeg.decode_jpeg(path.read_bytes(), "RGB")
            case ".png":
                imagecodecs.spng_decode(path.read_bytes())
            case ".webp":
                imagecodecs.webp_decode(path.read_bytes())


def has_fastest() -> bool:
    return all(importlib.util.find_spec(name) for name in ("imagecodecs", "simplejpeg"))


def checked(root: Path) -> float:
    """A check; CPU seconds until everything is said that the bytes alone say."""
    from loratui.dataset.checking.checks import Seen, Wishes, look_at, report

    wishes = Wishes("ohwx")
    gate: list[float] = []

    def on_seen(seen: Seen) -> None:
        report(seen, wishes)
        if seen.stage == "pixels":
            gate.append(time.process_time())

    report(look_at(root, cache=root.parent / "cache", on_seen=on_seen), wishes)
    return gate[0]


def peak_mb() -> float:
    """The most memory this process has had; getrusage would count its parent's, too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measured(what: str, root: Path) -> dict[str, float]:
    """One job in a process of its own."""
    command = [sys.executable, __file__, what, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    values: dict[str, float] = json.loads(done.stdout)
    return values


def job(what: str, root: Path) -> None:
    start_cpu, start = time.process_time(), time.monotonic()
    gate = 0.0
    match what:
        case "check":
            gate = checked(root)
        case "fastest":
            fastest(root)
        case _:
            bare(root)
    values = {
        "cpu_s": time.process_time() - start_cpu,
        "wall_s": time.monotonic() - start,
        "peak_mb": peak_mb(),
    }
    if gate:
        values["gate_cpu_s"] = gate - start_cpu
    print(json.dumps(values))


def main(count: int) -> int:
    jobs = ["pillow", *(["fastest"] if has_fastest() else []), "check", "check again"]
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "set"
        make_pictures(root / "10_hero", count)
        bare(root)  # so that all find the files in memory
        results = {name: measured(name.split()[0], root) for name in jobs}
    base = results.get("fastest", results["pillow"])["cpu_s"]
    check, again = results["check"], results["check again"]
    ratios = {
        "pillow": results["pillow"]["cpu_s"] / base,
        "check": check["cpu_s"] / base,
        "gate": check["gate_cpu_s"] / base,
        "first_to_second_check": check["cpu_s"] / again["cpu_s"],
    }
    met = (
        ratios["check"] <= CHECK and ratios["gate"] <= GATE and ratios["first_to_second_check"] >= SECOND_RUN
    )
    compared = "fastest" if "fastest" in results else "pillow"
    print(json.dumps({"pictures": count, "compared_to": compared, **results, "ratios": ratios}, indent=2))
    return 0 if met else 1


if __name__ == "__main__":
    if len(sys.argv) == 3:
        job(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
