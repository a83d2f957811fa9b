"""The known issue behind what the trainer refuses: the row of the hints that a person is shown."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from loratui.atomic import new_file
from loratui.problems import Problem, UserError, refusal
from loratui.trainer.reporting import causes
from loratui.trainer.settings.config_file import load_config


@pytest.mark.parametrize(
    ("cause", "changes"),
    [
        ("option_conflict", {"learning_rte": 1e-4}),
        ("option_conflict", {"deepspeed": True}),
        ("option_conflict", {"initial_step": 3}),
        ("setting_type", {"network_dim": "4"}),
        ("setting_missing", {"output_dir": None}),
        ("model_missing", {"pretrained_model_name_or_path": None}),
        ("model_missing", {"pretrained_model_name_or_path": "/no/model.safetensors"}),
        ("no_data", {"train_data_dir": None}),
        ("resolution_missing", {"resolution": None}),
        ("resolution_bad", {"resolution": "wide"}),
        ("bucket_bounds", {"bucket_reso_steps": 7}),
        ("value_range", {"max_train_steps": 0}),
        ("mp_unsupported", {"mixed_precision": "fp8"}),
        ("opt_unknown", {"optimizer_type": "Lyon"}),
        ("prodigy_rates", {"optimizer_type": "Prodigy", "unet_lr": 1.0, "learning_rate": 0.5}),
        ("sched_unknown", {"lr_scheduler": "sawtooth"}),
        ("sched_warmup", {"lr_scheduler": "constant", "lr_warmup_steps": 5}),
        ("sched_args", {"lr_scheduler_args": ["T_max"]}),
        ("net_args", {"network_args": ["conv_dim=x"]}),
        ("net_family", {"network_module": "networks.lora_flux"}),
        ("network_module_bad", {"network_module": "networks.dylora"}),
        ("net_weights_missing", {"dim_from_weights": True}),
        ("noise_args", {"adaptive_noise_scale": 0.1}),
        ("aug_cache", {"cache_latents": True, "random_crop": True}),
        ("v2_flag", {"v2": True}),
        ("config_missing", {"dataset_config": "/no/dataset.toml"}),
    ],
)
def test_of_a_config(cause: str, changes: dict[str, Any], write_config: Any) -> None:
    more = {"network_train_unet_only": False} if cause == "prodigy_rates" else {}
    with pytest.raises(UserError) as refused:
        load_config(write_config(**changes, **more))
    assert causes.of_refusal(refused.value) == cause, str(refused.value)


def test_of_a_file_that_is_not_what_it_should_be(tmp_path: Path, write_config: Any) -> None:
    files = {
        "zip.safetensors": ("st_corrupt", b"PK\x03\x04 and more"),
        "page.safetensors": ("st_corrupt", b"<!DOCTYPE html>"),
        "gguf.safetensors": ("wrong_arch", b"GGUF and more"),
        "pickle.ckpt": ("weights_only", b"PK\x03\x04 and more"),
    }
    for name, (cause, data) in files.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UserError) as refused:
            load_config(write_config(pretrained_model_name_or_path=str(path)))
        assert causes.of_refusal(refused.value) == cause
    (tmp_path / "config.toml").write_text("a = True")
    with pytest.raises(UserError) as refused:
        load_config(tmp_path / "config.toml")
    assert causes.of_refusal(refused.value) == "config_syntax"


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EACCES, "permission"),
        (errno.EIO, "output_dir_bad"),
    ],
)
def test_of_a_disk_that_refuses(number: int, cause: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused, new_file(tmp_path / "a"):
        raise OSError(number, os.strerror(number))
    assert causes.of_refusal(refused.value) == cause


def test_of_a_full_disk_in_a_librarys_words(tmp_path: Path) -> None:
    with pytest.raises(UserError) as refused, new_file(tmp_path / "a"):
        raise OSError("Error while serializing: No space left on device (os error 28)")
    assert causes.of_refusal(refused.value) == "disk_full"


def test_of_a_fault() -> None:
    assert causes.of_fault(MemoryError()) == "oom_ram"
    assert causes.of_fault(RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")) == "oom_cuda"
    assert causes.of_fault(RuntimeError("can't allocate memory: tried to allocate 8 bytes")) == "oom_ram"
    assert causes.of_fault(ModuleNotFoundError("no", name="lion_pytorch")) == "mod_lion"
    assert causes.of_fault(ModuleNotFoundError("no", name="torch")) == "mod_generic"
    assert causes.of_fault(KeyError("what")) == ""


def test_what_nothing_is_known_of() -> None:
    assert causes.of_refusal(refusal("file", "it is wrong.", "Mend it.")) == causes.REFUSED
    assert causes.of_refusal(UserError("file", Problem("any_key", "is wrong."))) == "option_conflict"
