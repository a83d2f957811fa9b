"""``loratui lora upload`` against a small server that stands in for the hub."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loratui.formats.tensorfile import read_header
from tests.support.hub import Hub, serving
from tests.support.loras import SD15, kohya, write_arrays

TOKEN = "hf_thisIsASecretOfTheTest"
METADATA = {
    "ss_sd_model_name": "base.safetensors",
    "ss_dataset_dirs": '{"10_anna": {"n_repeats": 10, "img_count": 20}}',
    "ss_tag_frequency": '{"10_anna": {"annaword": 20}}',
    "ss_steps": "100",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving() as server:
        yield server


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_arrays(tmp_path / "hero.safetensors", kohya(SD15), METADATA)


@pytest.fixture
def environment(tmp_path: Path, hub: Hub) -> dict[str, str]:
    """No login but a token, and a hub that is only ours."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    return {
        **kept,
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": TOKEN,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "LORATUI_HOME": str(tmp_path / "home"),
    }


def test_nothing_is_sent_without_yes(
    loratui: Any, hub: Hub, file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    result = loratui("lora", "upload", str(file), "--repo", "me/hero", env=environment)
    assert result.returncode == 2
    assert "--yes" in result.stderr
    assert "me/hero (private)" in result.stdout
    assert "taken out of the copy: ss_sd_model_name, ss_dataset_dirs, ss_tag_frequency" in result.stdout
    assert "annaword" not in result.stdout
    dry = loratui("lora", "upload", str(file), "--repo", "me/hero", "--dry-run", "--json", env=environment)
    assert dry.returncode == 0, dry.stderr
    found = json.loads(dry.stdout)
    assert found["uploaded"] is False
    assert [row["path"] for row in found["files"]] == ["hero.safetensors", "README.md"]
    assert found["card"] == str(tmp_path / "hero.card.md")
    card = Path(found["card"]).read_text()
    assert "| Steps | 100 |" in card
    assert len(card.encode()) == found["files"][1]["bytes"]
    Path(found["card"]).write_text("my own words")
    again = loratui("lora", "upload", str(file), "--repo", "me/hero", "--dry-run", env=environment)
    assert again.returncode == 1
    assert "not written over" in again.stderr
    assert Path(found["card"]).read_text() == "my own words"
    assert hub.tokens == set()
    both = loratui("lora", "upload", str(file), "--repo", "me/hero", "--dry-run", "--yes", env=environment)
    assert both.returncode == 2


@pytest.mark.parametrize("large", [False, True])
def test_sent(
    loratui: Any, hub: Hub, file: Path, environment: dict[str, str], tmp_path: Path, large: bool
) -> None:
    from PIL import Image

    hub.large = large
    Image.new("RGB", (8, 8)).save(tmp_path / "sheet.png")
    before = file.read_bytes()
    more = ("--sheet", str(tmp_path / "sheet.png"), "--trigger", "ohwx", "--public", "--yes", "--json")
    result = loratui("lora", "upload", str(file), "--repo", "me/hero", *more, env=environment)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["uploaded"], found["commit"], found["url"]) == (True, "abc", f"{hub.url}/me/hero")
    assert found["verified"] is True
    noted = json.loads((tmp_path / "home/uploads.jsonl").read_text())
    assert (noted["sha256"], noted["repo"]) == (hashlib.sha256(before).hexdigest(), "me/hero")
    sent = hub.repos["me/hero"]
    assert sent.keys() == {"hero.safetensors", "README.md", "samples.png"}
    assert {row["path"]: row["bytes"] for row in found["files"]} == {
        name: len(data) for name, data in sent.items()
    }
    assert hub.private["me/hero"] is False
    assert b'instance_prompt: "ohwx"' in sent["README.md"]
    assert sent["samples.png"] == (tmp_path / "sheet.png").read_bytes()
    (tmp_path / "got.safetensors").write_bytes(sent["hero.safetensors"])
    got = read_header(tmp_path / "got.safetensors")
    assert got.metadata == {"ss_steps": "100"}
    size = len(before) - read_header(file).data_start
    assert sent["hero.safetensors"][-size:] == before[-size:]
    assert file.read_bytes() == before
    assert large == (hashlib.sha256(sent["hero.safetensors"]).hexdigest() in hub.objects)
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in result.stdout + result.stderr

    again = loratui("lora", "upload", str(file), "--repo", "me/hero", *more, env=environment)
    assert again.returncode == 1
    assert "--update" in again.stderr
    keep = ("--update", "--keep-metadata", *more)
    updated = loratui("lora", "upload", str(file), "--repo", "me/hero", *keep, env=environment)
    assert updated.returncode == 0, updated.stderr
    assert sent["hero.safetensors"] == before


@pytest.mark.parametrize(
    ("part", "status", "headers", "words"),
    [
        ("/repos/create", 401, {"X-Error-Message": "Invalid credentials in Authorization header"}, "token"),
        ("/repos/create", 403, {}, "may not write to me"),
        ("/preupload/", 403, {"X-Error-Code": "GatedRepo"}, "gated"),
        ("/commit/", 500, {}, "error 500"),
    ],
)
def test_what_the_hub_refuses_gets_one_sentence(
    loratui: Any,
    hub: Hub,
    file: Path,
    environment: dict[str, str],
    part: str,
    status: int,
    headers: dict[str, str],
    words: str,
) -> None:
    hub.refusals[part] = (status, headers)
    result = loratui("lora", "upload", str(file), "--repo", "me/hero", "--yes", env=environment)
    assert result.returncode == 1
    sending, line = result.stderr.strip().splitlines()
    assert sending.startswith("Sending")
    assert words in line
    assert ("Then send it with --update" in line) == ("create" not in part)
    assert TOKEN not in result.stdout + result.stderr


def test_what_arrives_otherwise_than_it_was_sent_is_a_failure(
    loratui: Any, hub: Hub, file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    hub.damages = True
    result = loratui("lora", "upload", str(file), "--repo", "me/hero", "--yes", env=environment)
    assert result.returncode == 1
    assert "what arrived is not what was sent: hero.safetensors" in result.stderr
    hub.damages, hub.refusals["/paths-info/"] = False, (500, {})
    result = loratui("lora", "upload", str(file), "--repo", "me/hero", "--update", "--yes", env=environment)
    assert result.returncode == 0
    assert "could not be checked" in result.stderr
    assert not (tmp_path / "home/uploads.jsonl").exists()


def test_a_card_of_ones_own(
    loratui: Any, hub: Hub, file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    card = tmp_path / "mine.md"
    command = ("lora", "upload", str(file), "--repo", "me/hero", "--card", str(card), "--yes")
    card.write_text("---\nlicense: nonsense\n---\nmine")
    result = loratui(*command, env=environment)
    assert result.returncode == 1
    assert "does not accept the card" in result.stderr
    assert "must be one of" in result.stderr
    assert "UserWarning" not in result.stderr
    card.write_text("---\nlicense: mit\n---\nmine")
    result = loratui(*command, "--update", env=environment)
    assert result.returncode == 0, result.stderr
    assert hub.repos["me/hero"]["README.md"] == card.read_bytes()


def test_no_token_no_network_and_switched_off(
    loratui: Any, hub: Hub, file: Path, environment: dict[str, str]
) -> None:
    for changes, words in (
        ({"HF_TOKEN": ""}, "there is no token"),
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set"),
        ({"HF_ENDPOINT": "http://127.0.0.1:9"}, "cannot be reached"),
    ):
        command = ("lora", "upload", str(file), "--repo", "me/hero", "--yes")
        result = loratui(*command, env={**environment, **changes})
        assert result.returncode == 1
        line = result.stderr.strip().splitlines()[-1]
        assert words in line
        assert "Traceback" not in result.stderr
    assert hub.repos == {}


def test_bad_files_are_not_sent(
    loratui: Any, file: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    arrays = {name: value * float("nan") for name, value in kohya(SD15).items()}
    arrays = {name: value.astype("f4") for name, value in arrays.items()}
    write_arrays(tmp_path / "nan.safetensors", arrays)
    (tmp_path / "hero.pt").write_bytes(b"\x80\x02.")
    (tmp_path / "sheet.png").write_bytes(b"no picture")
    sheet = ["--sheet", str(tmp_path / "sheet.png")]
    for arguments, words, code in (
        ([str(tmp_path / "nan.safetensors")], "NaN", 1),
        ([str(tmp_path / "hero.pt")], "pickled", 1),
        ([str(file), *sheet], "no PNG", 1),
        ([str(file), "--repo", "hero"], "OWNER/NAME", 2),
    ):
        result = loratui("lora", "upload", "--repo", "me/hero", *arguments, "--yes", env=environment)
        assert result.returncode == code
        assert words in result.stderr
