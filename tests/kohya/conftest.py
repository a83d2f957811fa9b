"""A real checkout of sd-scripts, named by ``LORATUI_KOHYA``; without it nothing here runs.

``LORATUI_KOHYA_MODEL`` may name a Stable Diffusion 1.5 checkpoint, else one with random weights is made
(2.1 GB, about a minute). A run takes 6.5 GB of memory and some minutes on two cores.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from loratui import kohya_checkout
from loratui.formats import clip_tokens
from loratui.kohya_checkout import Checkout

_MAKE_MODEL = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from diffusers import AutoencoderKL
from transformers import CLIPTextConfig, CLIPTextModel
from library import model_util
from library.original_unet import UNet2DConditionModel
torch.manual_seed(0)
unet = UNet2DConditionModel(**model_util.create_unet_diffusers_config(False)).half()
vae = AutoencoderKL(**model_util.create_vae_diffusers_config()).half()
text = CLIPTextModel(CLIPTextConfig(
    vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
    max_position_embeddings=77, hidden_act="quick_gelu", projection_dim=768)).half()
model_util.save_stable_diffusion_checkpoint(
    False, sys.argv[2], text, unet, None, 0, 0, None, torch.float16, vae)
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a checkout where none is named."""
    if not os.environ.get(kohya_checkout.FOLDER_VARIABLE):
        for item in items:
            if "tests/kohya" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason="LORATUI_KOHYA names no checkout of sd-scripts"))


@pytest.fixture(scope="session")
def checkout() -> Checkout:
    """The checkout and the Python of its environment."""
    found = kohya_checkout.find()
    assert found.exists and found.python, f"{found.folder} is no checkout with an environment"
    return found


@pytest.fixture(scope="session")
def base_model(checkout: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion 1.5 checkpoint of full size."""
    named = os.environ.get("LORATUI_KOHYA_MODEL")
    if named:
        return Path(named)
    path = tmp_path_factory.mktemp("model") / "sd15.safetensors"
    command = [str(checkout.python), "-c", _MAKE_MODEL, str(checkout.folder), str(path)]
    subprocess.run(command, cwd=checkout.folder, check=True, timeout=600)
    return path


@pytest.fixture(scope="session")
def tokenizer_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP's tokenizer where sd-scripts looks for it, so that no hub is needed
    (library/strategy_base.py:54-71)."""
    cache = tmp_path_factory.mktemp("tokenizers")
    folder = cache / "openai_clip-vit-large-patch14"
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps(clip_tokens.vocabulary()))
    merges = "".join(f"{left} {right}\n" for left, right in clip_tokens.merges())
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}")
    special = {"bos_token": clip_tokens.START, "eos_token": clip_tokens.END, "unk_token": clip_tokens.END}
    about = {**special, "pad_token": clip_tokens.END, "model_max_length": 77, "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps({**about, "tokenizer_class": "CLIPTokenizer"}))
    (folder / "special_tokens_map.json").write_text(json.dumps({**special, "pad_token": clip_tokens.END}))
    return cache
