"""Archives are unpacked into a temporary folder and nowhere else, or refused with a sentence."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from loratui.dataset import archives
from loratui.dataset.checking.checks import check
from loratui.problems import UserError


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((512, 512), 50 + seed).convert("RGB").save(file, "JPEG")
    return file.getvalue()


def files() -> dict[str, bytes]:
    found = {}
    for number in range(10):
        found[f"hero/10_x/{number}.jpg"] = picture(number)
        found[f"hero/10_x/{number}.txt"] = b"ohwx, " + [b"sitting", b"standing"][number % 2]
    return found


def make_zip(path: Path, entries: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in entries.items():
            packed.writestr(name, data)
    return path


def make_tar(path: Path, entries: dict[str, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as packed:  # type: ignore[call-overload]
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of our own for temporary files, which must be empty in the end."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("name", ["set.zip", "set.tar", "set.tar.gz"])
def test_an_archive_is_checked_like_the_folder_in_it(name: str, tmp_path: Path, temporary: Path) -> None:
    entries = files() | {"__MACOSX/hero/10_x/._0.jpg": b"x", "hero/10_x/bad.png": b""}
    path = tmp_path / name
    if name == "set.zip":
        make_zip(path, entries)
    else:
        make_tar(path, entries, "w:gz" if name.endswith("gz") else "w")
    report = check(path)
    assert (report.images, report.captions) == (11, 10)
    finding = report.findings[0]
    assert (finding.code, finding.files) == ("image_zero_bytes", (f"{path}/10_x/bad.png",))
    assert "junk_files" not in {finding.code for finding in report.findings}
    assert list(temporary.iterdir()) == []


EVIL = (
    "../evil.png",
    "/evil.png",
    "a/../../evil.png",
    "..\\evil.png",
    "C:\\evil.png",
    "hero/10_x/../../../e.png",
)


@pytest.mark.parametrize("make", [make_zip, make_tar])
def test_no_name_escapes(make: object, tmp_path: Path, temporary: Path) -> None:
    assert callable(make)
    path = make(
        tmp_path / ("set.zip" if make is make_zip else "set.tar"), files() | dict.fromkeys(EVIL, b"x")
    )
    with archives.unpacked(path) as unpacked:
        inside = unpacked.folder.resolve()
        assert all(found.resolve().is_relative_to(inside) for found in inside.rglob("*"))
        assert len([found for found in inside.rglob("*") if found.is_file()]) == 20
        assert len(unpacked.left_out) == len(EVIL)
        outside = {found for found in temporary.rglob("*") if found.is_file()}
        assert all(found.is_relative_to(inside) for found in outside)
    assert not Path("/evil.png").exists()
    assert {found.name for found in tmp_path.iterdir()} == {"temporary", path.name}
    codes = {finding.code: finding for finding in check(path).findings}
    assert codes["junk_files"].severity == "warning" and len(codes["junk_files"].files) == len(EVIL)


def test_links_and_devices_stay_out(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "set.tar", files())
    with tarfile.open(path, "a") as packed:
        for name, kind, target in (
            ("hero/10_x/link.png", tarfile.SYMTYPE, "/etc/passwd"),
            ("hero/10_x/hard.png", tarfile.LNKTYPE, "../../etc/passwd"),
            ("hero/10_x/pipe.png", tarfile.FIFOTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            packed.addfile(info)
    zipped = make_zip(tmp_path / "set.zip", files())
    with zipfile.ZipFile(zipped, "a") as packed_zip:
        entry = zipfile.ZipInfo("hero/10_x/link.png")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        packed_zip.writestr(entry, "/etc/passwd")
    for archive, left_out in ((path, 3), (zipped, 1)):
        with archives.unpacked(archive) as unpacked:
            assert len(unpacked.left_out) == left_out
            assert not any(found.is_symlink() for found in unpacked.folder.rglob("*"))
            assert not (unpacked.folder / "10_x" / "link.png").exists()


def test_a_bomb_is_stopped(tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "RATIO_FROM", 1 << 20)
    path = make_zip(tmp_path / "set.zip", {"a.png": b"\0" * (50 << 20)})
    with pytest.raises(UserError, match="like a bomb"):
        check(path)
    monkeypatch.setattr(archives, "MOST_FILES", 10)
    with pytest.raises(UserError, match="more than 10 files"):
        check(make_zip(tmp_path / "many.zip", {f"{number}.png": b"x" for number in range(20)}))
    assert list(temporary.iterdir()) == []


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    for name in ("a.zip", "a.tar", "a.tar.gz"):
        (tmp_path / name).write_bytes(os.urandom(1000))
        with pytest.raises(UserError, match=r"damaged|cannot be unpacked"):
            check(tmp_path / name)
    whole = make_zip(tmp_path / "cut.zip", files()).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="damaged"):
        check(tmp_path / "cut.zip")
