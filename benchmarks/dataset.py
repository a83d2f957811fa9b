"""What the dataset check costs, beside a bare Pillow decode of the same pictures.

    python benchmarks/dataset.py [PICTURES]

A mix of JPEG, PNG and WEBP of 0.5 to 4 megapixels is drawn (300 unless told otherwise), then decoded,
checked, and checked again, each in a process of its own. Prints one JSON object; CPU seconds and ratios
count, wall times depend on what else runs. Exits 1 when the second check is not 20 times cheaper than the
first; below 300 pictures the start of the process hides that.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SECOND_RUN = 20
_SUFFIXES = ("jpg", "jpg", "jpg", "jpg", "jpg", "jpg", "png", "png", "webp", "webp")
_SIZES = ((832, 640), (1024, 1024), (1216, 832), (1536, 1024), (2048, 2048))


def make_pictures(folder: Path, count: int) -> None:
    """Half of them with grain like photos, half flat like drawings; no two alike."""
    from PIL import Image, ImageDraw

    folder.mkdir(parents=True)
    dice = random.Random(1)
    for number in range(count):
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


def bare(root: Path) -> None:
    """Every picture opened and loaded, nothing else."""
    from PIL import Image

    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix != ".txt":
            with Image.open(path) as picture:
                picture.load()


def checked(root: Path) -> list[float]:
    """A check; CPU seconds until the first report."""
    from loratui.dataset.checks import Wishes, check

    first: list[float] = []
    check(
        root, Wishes("ohwx"), cache=root.parent / "cache", on_gate=lambda _: first.append(time.process_time())
    )
    return first


def measured(what: str, root: Path) -> dict[str, float]:
    """One job in a process of its own."""
    command = [sys.executable, __file__, what, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    values: dict[str, float] = json.loads(done.stdout)
    return values


def job(what: str, root: Path) -> None:
    start_cpu, start = time.process_time(), time.monotonic()
    first: list[float] = []
    if what == "check":
        first = checked(root)
    else:
        bare(root)
    values = {
        "cpu_s": time.process_time() - start_cpu,
        "wall_s": time.monotonic() - start,
    }
    if first:
        values["first_report_cpu_s"] = first[0] - start_cpu
    print(json.dumps(values))


def main(count: int) -> int:
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "set"
        make_pictures(root / "10_hero", count)
        bare(root)  # so that all find the files in memory
        results = {name: measured(name.split()[0], root) for name in ("bare", "check", "check again")}
    ratios = {
        "check_to_bare": results["check"]["cpu_s"] / results["bare"]["cpu_s"],
        "first_report_to_bare": results["check"]["first_report_cpu_s"] / results["bare"]["cpu_s"],
        "first_to_second_check": results["check"]["cpu_s"] / results["check again"]["cpu_s"],
    }
    print(json.dumps({"pictures": count, **results, "ratios": ratios}, indent=2))
    return 0 if ratios["first_to_second_check"] >= SECOND_RUN else 1


if __name__ == "__main__":
    if len(sys.argv) == 3:
        job(sys.argv[1], Path(sys.argv[2]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
