"""Every finding of the check, from a set that has just that fault; and a healthy set that has none."""

from __future__ import annotations

import os
import random
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFilter

from loratui.dataset.checking.checklist import checklist
from loratui.dataset.checking.checks import Report, Seen, Wishes, check, look_at, report
from loratui.dataset.checking.finding import CODES, Finding
from loratui.dataset.pictures.probing import Cancelled, Progress
from loratui.problems import UserError

COUNT = 12


def draw(seed: int, size: tuple[int, int] = (512, 512)) -> Image.Image:
    """A picture that resembles no other."""
    dice = random.Random(seed)
    picture = Image.new("RGB", size, tuple(dice.randrange(256) for _ in range(3)))
    pen = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y = dice.randrange(size[0]), dice.randrange(size[1])
        colour = tuple(dice.randrange(256) for _ in range(3))
        pen.ellipse((x, y, x + dice.randrange(20, 200), y + dice.randrange(20, 200)), fill=colour)
    return picture


@pytest.fixture(scope="session")
def healthy_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("healthy")
    folder = root / "10_hero"
    folder.mkdir()
    for number in range(COUNT):
        suffix = ("png", "jpg", "webp", "bmp", "PNG", "jpeg")[number % 6]
        draw(number).save(folder / f"p{number:02}.{suffix}")
        tags = ["standing", "sitting", "running"][number % 3], f"background {'abcdef'[number % 6] * 5}"
        (folder / f"p{number:02}.txt").write_text(", ".join(["ohwx", *tags]))
    return root


@pytest.fixture
def root(tmp_path: Path, healthy_set: Path) -> Path:
    """A copy of the healthy set."""
    return Path(shutil.copytree(healthy_set, tmp_path / "set"))


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Report]:
    def run(folder: Path, regularization: Path | None = None, **wishes: object) -> Report:
        wished = Wishes(**{"trigger": "ohwx"} | wishes)  # type: ignore[arg-type]
        return check(folder, wished, regularization, cache=tmp_path / "cache")

    return run


def only(report: Report, code: str) -> Finding:
    """The one finding there is, which has this code."""
    assert [finding.code for finding in report.findings] == [code], report.findings
    return report.findings[0]


def of(report: Report, code: str) -> Finding:
    return next(finding for finding in report.findings if finding.code == code)


def names(finding: Finding) -> list[str]:
    return sorted(Path(name).name for name in finding.files)


def test_a_healthy_set_has_no_finding(root: Path, run: Callable[..., Report]) -> None:
    for trigger in ("ohwx", ""):
        report = run(root, trigger=trigger)
        assert report.findings == ()
        assert (report.images, report.captions) == (COUNT, COUNT)
        assert [(use.size, use.images, use.cropped) for use in report.buckets] == [((512, 512), COUNT, 0)]


def test_a_plain_folder_of_pictures_is_fine(root: Path, run: Callable[..., Report]) -> None:
    plain = (root / "10_hero").rename(root.parent / "pictures")
    assert run(plain).findings == ()


# Each of these spoils the healthy set in one way, and names what the finding must name.


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_of_size(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def unreadable(folder: Path) -> list[str]:
    (folder / "p00.png").write_bytes(b"<html>404 not found</html>" * 50)
    return ["p00.png"]


def truncated(folder: Path) -> list[str]:
    found = []
    for name in ("p00.png", "p01.jpg", "p02.webp", "p03.bmp"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) * 9 // 10])
        found.append(name)
    return found


def zero_bytes(folder: Path) -> list[str]:
    (folder / "p01.jpg").write_bytes(b"")
    return ["p01.jpg"]


def bomb(folder: Path) -> list[str]:
    (folder / "p00.png").write_bytes(png_of_size(60000, 60000))
    return ["p00.png"]


def animated(folder: Path) -> list[str]:
    frames = [draw(100), draw(101)]
    frames[0].save(folder / "p00.png", save_all=True, append_images=frames[1:])
    frames[1].save(folder / "p02.webp", save_all=True, append_images=[draw(102)])
    return ["p00.png", "p02.webp"]


def alpha(folder: Path) -> list[str]:
    for name, seed in (("p00.png", 100), ("p02.webp", 101)):
        picture = draw(seed).convert("RGBA")
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
        picture.save(folder / name)
    opaque = draw(102).convert("RGBA")
    opaque.save(folder / "p04.PNG")
    return ["p00.png", "p02.webp"]


def rotated(folder: Path) -> list[str]:
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, seed in (("p00.png", 100), ("p01.jpg", 101), ("p02.webp", 102)):
        draw(seed).save(folder / name, exif=exif)
    return ["p00.png", "p01.jpg", "p02.webp"]


def cmyk(folder: Path) -> list[str]:
    draw(100).convert("CMYK").save(folder / "p01.jpg")
    return ["p01.jpg"]


def deep(folder: Path) -> list[str]:
    grey = draw(100).convert("L")
    Image.frombytes("I;16", grey.size, b"".join(bytes((level, level)) for level in grey.tobytes())).save(
        folder / "p00.png"
    )
    return ["p00.png"]


def small(folder: Path) -> list[str]:
    draw(100, (300, 300)).save(folder / "p00.png")
    return ["p00.png"]


def extreme(folder: Path) -> list[str]:
    draw(100, (1600, 400)).save(folder / "p00.png")
    return ["p00.png"]


def blurry(folder: Path) -> list[str]:
    draw(100).filter(ImageFilter.GaussianBlur(12)).save(folder / "p00.png")
    return ["p00.png"]


def ignored(folder: Path) -> list[str]:
    draw(100).save(folder / "a.gif")
    draw(101).save(folder / "b.Png", format="PNG")
    for name in ("c.webm", "d.mp4", "e.heic", "f.tiff"):
        (folder / name).write_bytes(b"x")
    return ["a.gif", "b.Png", "c.webm", "d.mp4", "e.heic", "f.tiff"]


def no_repeats(folder: Path) -> list[str]:
    beside = folder.parent / "more"
    beside.mkdir()
    draw(100).save(beside / "a.png")
    return ["more"]


def nested(folder: Path) -> list[str]:
    (folder / "in" / "deeper").mkdir(parents=True)
    draw(100).save(folder / "in" / "deeper" / "a.png")
    return ["in"]


def empty(folder: Path) -> list[str]:
    (folder.parent / "5_nothing").mkdir()
    return ["5_nothing"]


def collision(folder: Path) -> list[str]:
    draw(100).save(folder / "p00.jpg")
    return ["p00.jpg", "p00.png"]


def junk(folder: Path) -> list[str]:
    for name in (".DS_Store", "Thumbs.db", "._p00.png", "p99.jpg.part"):
        (folder / name).write_bytes(b"x")
    return [".DS_Store", "._p00.png", "Thumbs.db", "p99.jpg.part"]


def caption_missing(folder: Path) -> list[str]:
    (folder / "p00.txt").unlink()
    return ["p00.png"]


def caption_empty(folder: Path) -> list[str]:
    (folder / "p00.txt").write_bytes(b"")
    return ["p00.txt"]


def caption_blank(folder: Path) -> list[str]:
    (folder / "p00.txt").write_bytes(b"  \n")
    return ["p00.txt"]


def caption_latin(folder: Path) -> list[str]:
    (folder / "p00.txt").write_bytes("ohwx, café".encode("latin-1"))
    return ["p00.txt"]


def caption_orphan(folder: Path) -> list[str]:
    (folder / "lost.txt").write_text("ohwx, sitting")
    return ["lost.txt"]


def caption_lines(folder: Path) -> list[str]:
    (folder / "p00.txt").write_text("ohwx, standing\nred hat")
    return ["p00.txt"]


def caption_long(folder: Path) -> list[str]:
    (folder / "p00.txt").write_text("ohwx, " + ", ".join(f"thing {chr(97 + n % 26) * 6}" for n in range(30)))
    return ["p00.txt"]


def sentences(folder: Path) -> list[str]:
    for number in range(6):
        (folder / f"p{number:02}.txt").write_text(f"ohwx stands in a wide field of flowers at noon {number}.")
    return [f"p{number:02}.txt" for number in range(6)]


def trigger_missing(folder: Path) -> list[str]:
    (folder / "p00.txt").write_text("standing, background aaaaa")
    return ["p00.txt"]


def trigger_late(folder: Path) -> list[str]:
    (folder / "p00.txt").write_text("standing, ohwx")
    return ["p00.txt"]


def typo(folder: Path) -> list[str]:
    (folder / "p00.txt").write_text("ohwx, standign")
    return ["p00.txt"]


def everywhere(folder: Path) -> list[str]:
    for number in range(COUNT):
        path = folder / f"p{number:02}.txt"
        path.write_text(path.read_text() + ", blue eyes")
    return [f"p{number:02}.txt" for number in range(COUNT)]


def exact(folder: Path) -> list[str]:
    shutil.copy(folder / "p01.jpg", folder / "r.jpg")
    (folder / "r.txt").write_text("ohwx, sitting")
    return ["p01.jpg", "r.jpg"]


def near(folder: Path) -> list[str]:
    Image.open(folder / "p00.png").resize((600, 600)).save(folder / "q.jpg", quality=60)
    (folder / "q.txt").write_text("ohwx, sitting")
    return ["p00.png", "q.jpg"]


def few(folder: Path) -> list[str]:
    for number in range(5, COUNT):
        for path in folder.glob(f"p{number:02}.*"):
            path.unlink()
    return [folder.parent.name]


def odd_bucket(folder: Path) -> list[str]:
    draw(100, (640, 448)).save(folder / "p00.png")
    return ["p00.png"]


def upscaled(folder: Path) -> list[str]:
    wanted = ["p00.png", "p01.jpg", "p02.webp", "p03.bmp"]
    for number, name in enumerate(wanted):
        draw(100 + number, (420, 420)).save(folder / name)
    return wanted


Fault = Callable[[Path], list[str]]
SINGLE: list[tuple[str, str, Fault, dict[str, object]]] = [
    ("image_unreadable", "error", unreadable, {}),
    ("image_truncated", "error", truncated, {}),
    ("image_zero_bytes", "error", zero_bytes, {}),
    ("image_bomb", "error", bomb, {}),
    ("image_animated", "warning", animated, {}),
    ("image_alpha", "warning", alpha, {}),
    ("image_exif_rotated", "warning", rotated, {}),
    ("image_cmyk", "warning", cmyk, {}),
    ("image_16bit", "warning", deep, {}),
    ("image_small", "warning", small, {}),
    ("image_extreme_aspect", "warning", extreme, {}),
    ("image_blurry", "info", blurry, {}),
    ("format_ignored", "warning", ignored, {}),
    ("folder_no_repeats", "warning", no_repeats, {}),
    ("folder_nested", "warning", nested, {}),
    ("folder_empty", "warning", empty, {}),
    ("name_collision", "error", collision, {}),
    ("junk_files", "info", junk, {}),
    ("caption_missing", "warning", caption_missing, {}),
    ("caption_empty", "error", caption_empty, {}),
    ("caption_empty", "warning", caption_blank, {}),
    ("caption_not_utf8", "error", caption_latin, {}),
    ("caption_orphan", "warning", caption_orphan, {}),
    ("caption_multiline", "warning", caption_lines, {}),
    ("caption_too_long", "warning", caption_long, {}),
    ("caption_style", "warning", sentences, {"family": "sd15"}),
    ("caption_style", "info", sentences, {}),
    ("trigger_missing", "warning", trigger_missing, {}),
    ("trigger_not_first", "warning", trigger_late, {}),
    ("tag_typo", "info", typo, {}),
    ("tag_everywhere", "info", everywhere, {}),
    ("duplicate_exact", "warning", exact, {}),
    ("duplicate_near", "warning", near, {}),
    ("few_images", "warning", few, {}),
    ("bucket_small", "warning", odd_bucket, {"batch": 2}),
]


@pytest.mark.parametrize(
    ("code", "severity", "spoil", "wishes"), SINGLE, ids=[fault.__name__ for _, _, fault, _ in SINGLE]
)
def test_one_fault_gives_one_finding_that_names_it(
    code: str,
    severity: str,
    spoil: Fault,
    wishes: dict[str, object],
    root: Path,
    run: Callable[..., Report],
) -> None:
    meant = spoil(root / "10_hero")
    finding = only(run(root, **wishes), code)
    assert finding.severity == severity
    assert names(finding) == meant
    # A command behind the advice has no full stop, so that it can be copied.
    assert finding.message.endswith(".") and finding.fix.partition(" loratui ")[0].endswith(".")


def test_a_leaf_folder_offers_its_parent(root: Path, run: Callable[..., Report]) -> None:
    report = run(root / "10_hero")
    finding = only(report, "folder_is_leaf")
    assert finding.severity == "error" and str(root) in finding.fix
    assert report.images == COUNT


def test_many_pictures_and_many_enlarged_ones(root: Path, run: Callable[..., Report]) -> None:
    wanted = upscaled(root / "10_hero")
    assert names(of(run(root), "upscaled")) == wanted
    folder = root / "10_hero"
    for number in range(80):
        Image.new("RGB", (512, 512), (number * 3, 0, 0)).save(folder / f"q{number}.png")
    assert of(run(root, purpose="object"), "many_images").severity == "info"


def test_every_code_has_a_test_here() -> None:
    assert {code for code, *_ in SINGLE} | {"folder_is_leaf", "many_images", "upscaled"} == set(CODES)


def test_captions_missing_from_most_pictures_is_an_error(root: Path, run: Callable[..., Report]) -> None:
    for path in (root / "10_hero").glob("*.txt"):
        path.unlink()
    assert only(run(root), "caption_missing").severity == "error"


def test_no_numbered_folder_is_an_error_and_the_rest_is_still_looked_at(
    root: Path, run: Callable[..., Report]
) -> None:
    (root / "10_hero").rename(root / "hero")
    zero_bytes(root / "hero")
    report = run(root)
    assert [finding.code for finding in report.findings] == ["image_zero_bytes", "folder_no_repeats"]
    assert report.has_errors and "10_hero" in of(report, "folder_no_repeats").fix


def test_no_picture_at_all(tmp_path: Path, run: Callable[..., Report]) -> None:
    (tmp_path / "void").mkdir()
    assert only(run(tmp_path / "void"), "folder_empty").severity == "error"
    with pytest.raises(UserError, match="no such folder"):
        run(tmp_path / "nowhere")


def test_a_png_without_its_end_is_a_warning_since_the_trainer_takes_it(
    root: Path, run: Callable[..., Report]
) -> None:
    path = root / "10_hero" / "p00.png"
    path.write_bytes(path.read_bytes()[:-12])
    assert only(run(root), "image_truncated").severity == "warning"


def test_regularization_pictures_are_looked_at_but_need_no_captions(
    root: Path, tmp_path: Path, run: Callable[..., Report]
) -> None:
    reg = tmp_path / "reg" / "1_person"
    reg.mkdir(parents=True)
    draw(200).save(reg / "a.png")
    report = run(root, regularization=reg.parent)
    assert report.findings == () and report.images == COUNT
    (reg / "b.png").write_bytes(b"")
    assert names(only(run(root, regularization=reg.parent), "image_zero_bytes")) == ["b.png"]


def test_families_draw_their_own_lines(root: Path, run: Callable[..., Report]) -> None:
    assert {finding.code for finding in run(root, family="sdxl").findings} == {"image_small", "upscaled"}
    assert of(run(root, family="flux"), "caption_style").severity == "warning"


def test_a_second_run_decodes_nothing_and_says_the_same(
    root: Path, run: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    near(root / "10_hero")
    exact(root / "10_hero")
    for path in (root / "10_hero").iterdir():
        os.utime(path, (1_700_000_000, 1_700_000_000))
    first = run(root)
    assert {finding.code for finding in first.findings} == {"duplicate_near", "duplicate_exact"}

    def no_more(path: Path, *_: object, **__: object) -> None:
        raise AssertionError(f"{path} is decoded again")

    monkeypatch.setattr("loratui.dataset.pictures.probing.look", no_more)
    assert run(root) == first
    # The same bytes at another time and under another name are known by their content.
    (root / "10_hero" / "p00.png").touch()
    for path in (root / "10_hero").glob("p01.*"):
        path.rename(path.with_stem("x01"))
    assert run(root).images == first.images
    with (root / "10_hero" / "p00.png").open("ab") as file:
        file.write(b"x")
    with pytest.raises(AssertionError, match=r"p00\.png is decoded again"):
        run(root)


def test_a_spoiled_cache_costs_time_alone(root: Path, tmp_path: Path, run: Callable[..., Report]) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "pictures.sqlite").write_bytes(b"this is no database" * 100)
    assert run(root).findings == ()
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert run(root).findings == ()


def test_the_gate_speaks_before_a_pixel_is_decoded(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    truncated(root / "10_hero")
    news: list[Seen] = []
    steps: list[Progress] = []

    def cancelled() -> bool:
        return any(seen.stage == "pixels" for seen in news)

    monkeypatch.setattr("loratui.dataset.pictures.probing.look", lambda *_, **__: pytest.fail("decoded"))
    with pytest.raises(Cancelled):
        look_at(
            root, cache=tmp_path / "c", on_progress=steps.append, on_seen=news.append, cancelled=cancelled
        )
    assert [seen.stage for seen in news] == ["names", "pixels"]
    first, second = (report(seen, Wishes("ohwx")) for seen in news)
    assert first.findings == () and first.images == COUNT
    assert names(of(second, "image_truncated")) == ["p00.png", "p01.jpg", "p02.webp", "p03.bmp"]
    assert steps[-1] == Progress("files", COUNT, COUNT)
    assert [item.answer for item in checklist(first)] == ["open", "yes", "yes", "yes", "yes"]
    assert [item.answer for item in checklist(second)] == ["no", "yes", "yes", "yes", "yes"]


def test_a_mirrored_copy_is_worth_a_look(root: Path, run: Callable[..., Report]) -> None:
    folder = root / "10_hero"
    for turn in (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM):
        Image.open(folder / "p00.png").transpose(turn).save(folder / f"m{turn.value}.jpg", quality=80)
        (folder / f"m{turn.value}.txt").write_text("ohwx, sitting")
    finding = only(run(root), "duplicate_near")
    assert finding.severity == "info" and names(finding) == ["m0.jpg", "p00.png"]


def test_a_symmetric_picture_is_no_mirror_image(root: Path, run: Callable[..., Report]) -> None:
    half = draw(300, (256, 512))
    picture = Image.new("RGB", (512, 512))
    picture.paste(half)
    picture.paste(half.transpose(Image.Transpose.FLIP_LEFT_RIGHT), (256, 0))
    picture.save(root / "10_hero" / "s.png")
    (root / "10_hero" / "s.txt").write_text("ohwx, sitting")
    assert run(root).findings == ()
    picture.save(root / "10_hero" / "t.jpg")
    (root / "10_hero" / "t.txt").write_text("ohwx, sitting")
    assert only(run(root), "duplicate_near").severity == "warning"
