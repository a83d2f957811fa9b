"""``lora info``: what a file is and tells, its hashes, and the copy that tells nothing."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.formats.tensorfile import read_header
from loratui.lora.changing.strip import strip
from loratui.lora.files.metadata import training_of
from loratui.lora.info import read_info
from loratui.lora.publishing.privacy import leaks_of, stripped
from loratui.problems import UserError
from tests.support.loras import SD15, kohya, write_arrays

METADATA = {
    "ss_sd_model_name": "secretbase.safetensors",
    "ss_base_model_version": "sd_v1",
    "ss_steps": "1500",
    "ss_max_train_steps": "2000",
    "ss_epoch": "8",
    "ss_num_epochs": "10",
    "ss_learning_rate": "0.0001",
    "ss_unet_lr": "0.0001",
    "ss_text_encoder_lr": "None",
    "ss_optimizer": "torch.optim.adamw.AdamW(weight_decay=0.01)",
    "ss_network_dim": "4",
    "ss_network_args": '{"conv_dim": "4"}',
    "ss_dataset_dirs": json.dumps({"10_annasmith": {"n_repeats": 10, "img_count": 20}}),
    "ss_tag_frequency": json.dumps({"10_annasmith": {"1girl": 20, "smile": 7}, "b": {"smile": 3}}),
    "ss_training_comment": "for mum",
    "ss_min_timestep": "None",
    "ss_face_crop_aug_range": "/home/anna/crops",
    "modelspec.title": "anna",
    "modelspec.architecture": "stable-diffusion-v1/lora",
    "sshs_legacy_hash": "01234567",
    "notes of my own": "call me at anna@example.org",
}
SECRETS = ("secretbase", "anna", "smile", "mum", "example.org", "/home")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return write_arrays(tmp_path / "anna.safetensors", kohya(SD15), METADATA)


def test_what_it_is(file: Path) -> None:
    info = read_info(file)
    assert (info.family, info.type, info.naming, info.rank, info.alpha) == ("sd15", "lora", "kohya", 4, 2.0)
    assert (info.modules, info.tensors, info.dtype) == (5, 15, "fp32")
    assert info.bytes == file.stat().st_size
    assert info.metadata == METADATA
    names = [block.name for block in info.blocks]
    assert names == ["text encoder", "unet down 0", "unet mid", "unet up 3"]


def test_ranks_and_alphas_by_block(tmp_path: Path) -> None:
    arrays = kohya({"lora_te_text_model_encoder_layers_0_mlp_fc1": (8, 8)}, rank=2, alpha=1)
    arrays |= kohya(
        {"lora_unet_mid_block_attentions_0_proj_in": (8, 8), "lora_unet_mid_block_x": (8, 8)}, rank=8
    )
    info = read_info(write_arrays(tmp_path / "l.safetensors", arrays))
    assert [(block.name, block.ranks, block.alphas) for block in info.blocks] == [
        ("text encoder", (2,), (1.0,)),
        ("unet mid", (8,), (2.0,)),
    ]
    assert (info.rank, info.alpha) == (8, 2.0)


@pytest.mark.parametrize("alpha", [np.int64(2), np.float16(2), np.float64(2), np.array([2.0], "f4")])
def test_alpha_in_any_format(tmp_path: Path, alpha: object) -> None:
    arrays = kohya({"lora_unet_a": (8, 8)}) | {"lora_unet_a.alpha": alpha}
    assert read_info(write_arrays(tmp_path / "l.safetensors", arrays)).alpha == 2.0


def test_the_training_in_words(file: Path) -> None:
    training = read_info(file).training
    assert training.settings["base_model"] == "secretbase.safetensors"
    assert (training.settings["steps"], training.settings["planned_steps"]) == ("1500", "2000")
    assert "text_encoder_rate" not in training.settings
    (folder,) = training.folders
    assert (folder.name, folder.repeats, folder.images) == ("10_annasmith", 10, 20)
    assert training.tags == (("1girl", 20), ("smile", 10))


def test_datasets_of_a_config_file() -> None:
    subset = {"image_dir": "hero", "num_repeats": 3, "img_count": 9}
    datasets = [{"subsets": [subset], "tag_frequency": {"hero": {"ohwx": 9}}}]
    training = training_of({"ss_datasets": json.dumps(datasets)})
    assert [(folder.name, folder.repeats) for folder in training.folders] == [("hero", 3)]
    assert training.tags == (("ohwx", 9),)


def test_hashes_as_viewers_show_them(tmp_path: Path) -> None:
    arrays = kohya({"lora_unet_a": (300_000, 4)}, rank=1)
    file = write_arrays(tmp_path / "large.safetensors", arrays)
    raw = file.read_bytes()
    assert len(raw) > 0x110000
    start = 8 + int.from_bytes(raw[:8], "little")
    hashes = read_info(file).hashes
    assert hashes.sha256 == hashlib.sha256(raw).hexdigest()
    assert hashes.autov1 == hashlib.sha256(raw[0x100000:0x110000]).hexdigest()[:8]
    assert hashes.autov2 == hashes.sha256[:10]
    assert hashes.tensors == hashlib.sha256(raw[start:]).hexdigest()
    assert hashes.autov3 == hashes.tensors[:12]
    assert (hashes.sshs_model_hash, hashes.sshs_matches) == (None, None)


def test_a_stored_hash_is_compared(tmp_path: Path) -> None:
    arrays = kohya(SD15)
    right = read_info(write_arrays(tmp_path / "a.safetensors", arrays)).hashes.tensors
    for stored, matches in ((right, True), (hashlib.sha256(b"").hexdigest(), False)):
        file = write_arrays(tmp_path / f"{matches}.safetensors", arrays, {"sshs_model_hash": stored})
        assert read_info(file).hashes.sshs_matches is matches


def test_what_it_gives_away(file: Path) -> None:
    leaks = {leak.key: leak for leak in read_info(file).leaks}
    assert set(leaks) == {
        "ss_sd_model_name",
        "ss_dataset_dirs",
        "ss_tag_frequency",
        "ss_training_comment",
        "ss_face_crop_aug_range",
        "modelspec.title",
        "notes of my own",
    }
    assert "10_annasmith" in leaks["ss_dataset_dirs"].example


def test_a_copy_that_gives_nothing_away(file: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    out = tmp_path / "public.safetensors"
    strip(file, out)
    raw = out.read_bytes()
    header = raw[: 8 + int.from_bytes(raw[:8], "little")].decode("utf-8", "replace")
    assert not [secret for secret in SECRETS if secret in header]
    before, after = read_info(file), read_info(out)
    assert after.leaks == ()
    assert after.hashes.tensors == before.hashes.tensors
    assert after.hashes.sshs_legacy_hash == "01234567"
    assert (after.rank, after.alpha, after.family) == (4, 2.0, "sd15")
    assert after.training.settings["steps"] == "1500"
    assert "ss_network_args" in after.metadata
    first, second = load_file(file), load_file(out)
    assert first.keys() == second.keys()
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_a_copy_never_takes_the_place_of_a_file(file: Path, tmp_path: Path) -> None:
    before = file.read_bytes()
    dangling = tmp_path / "link.safetensors"
    dangling.symlink_to(tmp_path / "nowhere")
    for out in (file, dangling):
        with pytest.raises(UserError, match="not written over"):
            strip(file, out)
    assert file.read_bytes() == before
    with pytest.raises(UserError, match="safetensors"):
        strip(file, tmp_path / "copy.pt")


def test_a_full_disk_leaves_nothing_behind(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "copy.safetensors"
    code = (
        "import resource; from pathlib import Path; from loratui.lora.changing.strip import strip;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000));"
        f"strip(Path({str(file)!r}), Path({str(out)!r}))"
    )
    assert file.stat().st_size > 9000
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UserError" in done.stderr
    assert "could not be saved: File too large" in done.stderr
    assert list(out.parent.iterdir()) == []


def test_diffusers_alpha_survives(tmp_path: Path) -> None:
    name = "unet.mid_block.attentions.0.proj_in"
    arrays = {
        f"{name}.lora_A.weight": np.ones((4, 8), "f4"),
        f"{name}.lora_B.weight": np.ones((8, 4), "f4"),
    }
    adapter = {
        "unet.r": 4,
        "unet.lora_alpha": 2,
        "unet.base_model_name_or_path": "/home/anna/model",
        "unet.target_modules": ["proj_in"],
    }
    file = write_arrays(
        tmp_path / "l.safetensors", arrays, {"format": "pt", "lora_adapter_metadata": json.dumps(adapter)}
    )
    info = read_info(file)
    assert (info.rank, info.alpha, info.naming) == (4, 2.0, "diffusers")
    assert [leak.key for leak in info.leaks] == ["lora_adapter_metadata"]
    strip(file, tmp_path / "public.safetensors")
    after = read_info(tmp_path / "public.safetensors")
    assert (after.alpha, after.leaks) == (2.0, ())
    assert after.metadata["format"] == "pt"


def test_peft_keeps_alpha_beside_the_file(tmp_path: Path) -> None:
    name = "base_model.model.mid_block.attentions.0.proj_in"
    arrays = {
        f"{name}.lora_A.weight": np.ones((4, 8), "f4"),
        f"{name}.lora_B.weight": np.ones((8, 4), "f4"),
    }
    file = write_arrays(tmp_path / "adapter_model.safetensors", arrays)
    assert read_info(file).alpha is None
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 4, "lora_alpha": 16}))
    info = read_info(file)
    assert (info.alpha, info.naming) == (16.0, "peft")


Entries = st.dictionaries(
    st.one_of(st.sampled_from(sorted(METADATA)), st.text(max_size=10)),
    st.one_of(
        st.text(max_size=30),
        st.sampled_from(["None", "[[[[", '{"a": 1e999}', '[{"subsets": 3}]', "1" * 5000]),
    ),
)


@given(Entries)
def test_any_metadata_is_survived_and_stripping_is_final(entries: dict[str, str]) -> None:
    training_of(entries)
    kept = stripped(entries)
    assert leaks_of(kept) == []
    assert stripped(kept) == kept
    assert kept.items() <= entries.items()


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("gone.safetensors", None, "no such file"),
        ("empty.safetensors", b"", "empty"),
        ("cut.safetensors", b"\x40\0\0\0\0\0\0\0{", "cut off"),
        ("huge.safetensors", b"\xff" * 16, "not a safetensors"),
        ("page.safetensors", b"<!DOCTYPE html>", "web page"),
        ("old.pt", b"\x80\x02}q\0.", "pickled"),
        ("zip.safetensors", b"PK\x03\x04" + b"\0" * 30, "pickled"),
        ("none.safetensors", b"\x02\0\0\0\0\0\0\0{}", "no LoRA weights"),
    ],
)
def test_what_is_no_lora_is_refused(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words) as caught:
        read_info(tmp_path / name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_model_is_no_lora(tmp_path: Path) -> None:
    file = write_arrays(
        tmp_path / "m.safetensors", {"model.diffusion_model.out.2.weight": np.ones((4, 4), "f2")}
    )
    with pytest.raises(UserError, match="no LoRA weights"):
        read_info(file)


def test_a_copy_opens_without_metadata_too(tmp_path: Path) -> None:
    file = write_arrays(tmp_path / "l.safetensors", kohya(SD15), {"ss_output_name": "x"})
    strip(file, tmp_path / "o.safetensors")
    assert read_header(tmp_path / "o.safetensors").metadata == {}
