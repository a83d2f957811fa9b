"""``loratui check`` as a process, on ordinary and on hostile folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Loratui


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    folder = tmp_path / "data" / "10_x"
    folder.mkdir(parents=True)
    for number in range(12):
        Image.effect_noise((512, 512), 60).convert("RGB").save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"ohwx, {['sitting', 'standing'][number % 2]}")
    return folder


def test_a_good_set_is_ready(folder: Path, loratui: Loratui) -> None:
    done = loratui("check", str(folder.parent), "--trigger", "ohwx")
    assert done.returncode == 0, done.stderr
    assert "Ready to train: nothing wrong was found." in done.stdout
    assert done.stdout.count("[ok]") == 5 and "[no]" not in done.stdout
    done = loratui("check", str(folder.parent), "--trigger", "ohwx", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"images": 12, "captions": 12, "findings": []})


def test_warnings_end_with_0_and_errors_with_1(folder: Path, loratui: Loratui) -> None:
    done = loratui("check", str(folder.parent), "--batch", "20", "--json")
    assert done.returncode == 0
    (finding,) = json.loads(done.stdout)["findings"]
    assert set(finding) == {"code", "severity", "files", "message", "fix"}
    assert (finding["code"], finding["severity"], len(finding["files"])) == ("bucket_small", "warning", 12)
    (folder / "0.png").write_bytes(b"")
    done = loratui("check", str(folder.parent))
    assert done.returncode == 1
    assert "[no] broken: 1 picture" in done.stdout and done.stdout.count("[ok]") == 4
    assert "ERROR image_zero_bytes" in done.stdout and "Not ready: 1 error to mend first." in done.stdout


@pytest.fixture
def datasets(folder: Path, tmp_path: Path) -> Path:
    """A dataset_config: one folder in two sizes, one with faults, one whose class says it all."""
    other, plain = tmp_path / "other", tmp_path / "plain"
    for place in (other, plain):
        place.mkdir()
        for number in range(3):
            picture = Image.effect_noise((512, 640), 60 + 9 * number).convert("RGB")
            picture.save(place / f"{place.name}{number}.png")
    (other / "twin.png").write_bytes((folder / "3.png").read_bytes())
    (other / "other0.caption").write_text("ohwx, a letter")
    path = tmp_path / "sets.toml"
    path.write_text(
        f"""
        [general]
        resolution = 512
        enable_bucket = true
        caption_extension = ".txt"
        [[datasets]]
        batch_size = 4
        subsets = [
            {{ image_dir = "{folder}", num_repeats = 2 }},
            {{ image_dir = "{other}", caption_extension = ".caption" }},
        ]
        [[datasets]]
        resolution = 256
        subsets = [{{ image_dir = "{folder}" }}, {{ image_dir = "{plain}", class_tokens = "ohwx" }}]
        """
    )
    return path


def test_every_folder_of_a_dataset_config_is_looked_at(
    datasets: Path, folder: Path, tmp_path: Path, loratui: Loratui
) -> None:
    other = tmp_path / "other"
    done = loratui("check", str(datasets), "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["images"], said["captions"]) == (0, 19, 13)
    found = {finding["code"]: finding for finding in said["findings"]}
    missing = found["caption_missing"]
    assert sorted(missing["files"]) == [str(other / f"{name}.png") for name in ("other1", "other2", "twin")]
    assert missing["fix"].endswith(f"loratui dataset edit {other} --filter missing: --fill '{{folder}}'")
    twins = found["duplicate_exact"]
    assert sorted(twins["files"]) == [str(folder / "3.png"), str(other / "twin.png")]
    assert "loratui" not in twins["fix"]
    small = [finding["message"] for finding in said["findings"] if finding["code"] == "bucket_small"]
    assert len(small) == 1 and "batch of 4" in small[0]
    (other / "twin.png").write_bytes(b"")
    config = tmp_path / "config.toml"
    config.write_text(f'pretrained_model_name_or_path = "m"\ndataset_config = "{datasets}"\n')
    done = loratui("check", str(config))
    assert done.returncode == 1 and "ERROR image_zero_bytes" in done.stdout


def test_the_folders_of_a_recipe(folder: Path, tmp_path: Path, loratui: Loratui) -> None:
    recipe = tmp_path / "recipe.toml"
    base = '[base]\nmodel = "m.safetensors"\n'
    dataset = f'[dataset]\nfolder = "{folder.parent}"\ntrigger = "zzz"\n'
    recipe.write_text(f"{base}{dataset}[steps]\nepochs = 1\nbatch_size = 20\n")
    done = loratui("check", str(recipe), "--json")
    assert done.returncode == 0, done.stderr
    codes = {finding["code"] for finding in json.loads(done.stdout)["findings"]}
    assert codes >= {"trigger_missing", "bucket_small"}
    recipe.write_text(base)
    assert "no folder of pictures" in loratui("check", str(recipe)).stderr


def test_wrong_use_is_told_apart(tmp_path: Path, home: Path, loratui: Loratui) -> None:
    done = loratui("check", str(tmp_path / "nowhere"), "--json")
    assert (done.returncode, json.loads(done.stdout)["verdict"]) == (1, "refused")
    assert loratui("check", str(tmp_path), "--purpose", "cat").returncode == 2
    assert loratui("check", str(tmp_path), "--batch", "0").returncode == 2


def test_hostile_names(folder: Path, loratui: Loratui) -> None:
    hostile = [
        b"line\nbreak",
        b"[red]markup[@click=quit]",
        b"\x1b[31mansi\x1b]0;title\x07",
        b"n" * 251,
        b"not\xffutf8",
        b" blank ",
        b"-rf",
        "\u202egnp.exe".encode(),
    ]
    for name in hostile:
        (Path(os.fsdecode(os.fsencode(folder) + b"/" + name + b".png"))).write_bytes(b"")
    (folder.parent / os.fsdecode(b"5_\x1b[2J\xff\n")).mkdir()
    done = loratui("check", str(folder.parent), "--json")
    assert done.returncode == 1 and done.stderr == ""
    report = json.loads(done.stdout)
    broken = next(finding for finding in report["findings"] if finding["code"] == "image_zero_bytes")
    assert len(broken["files"]) == len(hostile)
    assert f"{folder}/line\nbreak.png" in broken["files"]
    done = loratui("check", str(folder.parent))
    assert done.returncode == 1
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout
    assert "ERROR image_zero_bytes: 8 pictures" in done.stdout


def test_things_that_are_no_files_stop_nothing(folder: Path, loratui: Loratui) -> None:
    os.mkfifo(folder / "pipe.png")
    (folder / "lost.png").symlink_to(folder / "nothing")
    (folder / "loop.png").symlink_to(folder / "loop.png")
    (folder / "dir.png").mkdir()
    (folder / "round").symlink_to(folder.parent)
    (folder / "out.jpg").symlink_to("/etc/passwd")
    os.mkfifo(folder / "pipe.txt")
    done = loratui("check", str(folder.parent), "--json", timeout=60)
    found = [
        finding for finding in json.loads(done.stdout)["findings"] if finding["code"] == "image_unreadable"
    ]
    assert sorted(Path(name).name for finding in found for name in finding["files"]) == [
        "dir.png",
        "loop.png",
        "lost.png",
        "out.jpg",
        "pipe.png",
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_rights_is_named(folder: Path, loratui: Loratui) -> None:
    closed = folder.parent / "2_closed"
    closed.mkdir(mode=0)
    done = loratui("check", str(folder.parent), "--json")
    closed.chmod(0o700)
    (finding,) = json.loads(done.stdout)["findings"]
    assert (finding["code"], finding["severity"], finding["files"]) == (
        "folder_empty",
        "error",
        [str(closed)],
    )


def test_neither_pillow_nor_torch_is_imported_with_the_command() -> None:
    code = "import sys, loratui.cli.check; print([n for n in ('PIL', 'torch', 'numpy') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_numpy_and_no_torch_even_when_it_works(folder: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom loratui.dataset.checking.checks import check\n"
        f"check(Path({str(folder.parent)!r}))\n"
        "print([n for n in ('torch', 'numpy', 'textual', 'rich') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
