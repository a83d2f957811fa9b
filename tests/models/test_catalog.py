"""The catalogue: every row is whole, and says nothing that contradicts what loratui knows of families."""

from __future__ import annotations

from pathlib import Path

import pytest

from loratui import kohya_config, places
from loratui.families import FAMILIES
from loratui.models import catalog
from loratui.models.prediction import FLOW_FAMILIES
from loratui.models.remote import wanted
from loratui.problems import UserError

NAMED = {"sd15", "anylora", "fluffyrock-vpred", "sd21", "sdxl", "pony", "illustrious", "noobai"}
NAMED |= {"noobai-vpred", "animagine-3", "animagine-4", "juggernaut", "realvis", "sd3-medium", "sd35-medium"}
NAMED |= {"sd35-large", "flux-dev", "chroma", "lumina2", "anima", "hunyuan-image"}


def test_the_models_people_ask_for_are_there() -> None:
    assert catalog.catalogue().keys() >= NAMED


@pytest.mark.parametrize("entry", catalog.catalogue().values(), ids=lambda entry: entry.name)
def test_a_row_agrees_with_its_family(entry: catalog.Entry) -> None:
    assert bool(entry.repo) != (entry.civitai_version is not None)
    assert (entry.prediction == "flow") == (entry.family in FLOW_FAMILIES)
    assert not (entry.zero_terminal_snr and entry.prediction != "v")
    assert entry.file.endswith(".safetensors")
    assert entry.url.startswith("https://")
    if entry.family in FAMILIES:
        script = FAMILIES[entry.family].script
        for part in entry.part:
            assert kohya_config.option(part.key, script) is not None, part.key
    files = [one.target for one in wanted(entry)]
    assert files[0] == catalog.path_of(entry)
    assert len(set(files)) == len(files)


def test_what_is_on_the_disk_is_told(home: Path) -> None:
    entry = catalog.find("flux-dev")
    assert len(catalog.missing(entry)) == 4
    places.models_folder().mkdir(parents=True)
    catalog.path_of(entry).write_bytes(b"")
    assert "flux1-dev.safetensors" not in catalog.missing(entry)


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no model 'ilustrious'.*Did you mean 'illustrious'"):
        catalog.find("ilustrious")
