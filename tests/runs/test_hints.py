"""Known issues are found in what trainers print, and only there."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.events import Hint, Message
from loratui.recipe import Network, Optimizer, Recipe, Steps, change, flatten
from loratui.runs.hints import matcher as hints
from loratui.runs.hints.matcher import HintMatcher
from loratui.runs.hints.rules import without_effect

TRACEBACK = b"""Traceback (most recent call last):
  File "train_network.py", line 1913, in <module>
    trainer.train(args)
"""
ECHO = (
    b"subprocess.CalledProcessError: Command '['python', 'train_network.py',"
    b" '--sample_prompts=ModuleNotFoundError: No module named \\'lion_pytorch\\'']'"
    b" returned non-zero exit status 1.\n"
)
OOM = b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.21 GiB. GPU 0 has a total of 8 GiB\n"

CASES = [
    ("oom_cuda", TRACEBACK + OOM),
    (
        "oom_cuda",
        b"torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB (GPU 0; 14.75 GiB\n",
    ),
    ("oom_cuda", b"[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB\n"),
    ("oom_cuda", b"RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB\n"),
    (
        "oom_cuda_vae",
        TRACEBACK
        + b'  File "library/strategy_base.py", line 510, in _default_cache_batch_latents\n    x = f(y)\n'
        + OOM,
    ),
    ("mod_lion", TRACEBACK + b"ModuleNotFoundError: No module named 'lion_pytorch'\n" + ECHO),
    ("accelerate_missing", b"bash: line 1: accelerate: command not found\n"),
    ("accelerate_missing", b"/usr/bin/python3: No module named accelerate.commands.launch\n"),
    ("accelerate_missing", b"'accelerate' is not recognized as an internal or external command,\n"),
    (
        "accelerate_missing",
        b"/usr/bin/python3: Error while finding module specification for 'accelerate.commands.launch' (Mod\n",
    ),
    ("loss_nan", b"\rsteps:   2%|2 | 58/3280 [01:53<1:45:10,  1.96s/it, avr_loss=nan]"),
    ("loss_nan", b"Steps:  12%|# | 120/1000 [02:10<15:56,  1.09s/it, lr=0.01, step_loss=nan]\n"),
    ("nan_latents", b"epoch 1/10\nNaN found in latents, replacing with zeros\n"),
    (
        "black_samples",
        b"diffusers/image_processor.py:88: RuntimeWarning: invalid value encountered in cast\n  images =\n",
    ),
    ("disk_full", b"OSError: [Errno 28] No space left on device: '/out/x.safetensors'\n"),
    (
        "disk_full",
        b"SafetensorError: Error while serializing: IoError(Os { code: 28, kind: StorageFull",
    ),
    ("st_corrupt", b"safetensors_rust.SafetensorError: Error while deserializing header: HeaderTooLarge\n"),
    ("oom_ram", ECHO.replace(b"returned non-zero exit status 1.", b"died with <Signals.SIGKILL: 9>.")),
    ("caption_empty", b"AssertionError: caption file is empty / \xe3 /data/10_a/1.txt\n"),
    (
        "model_missing",
        (
            b'ValueError: The provided pretrained_model_name_or_path "/m" is neither a valid local path nor a'
            b" valid repo id. Please check the parameter.\n"
        ),
    ),
    (
        "folder_repeats",
        b"ignore directory without repeats / x: a\n0it [00:00, ?it/s]prepare\nNo data found. Please verify\n",
    ),
    (
        "no_data",  # as rich wraps it at 80 columns
        (
            b"                    ERROR    No data found. Please verify   train_network.py:576\n"
            b"                             arguments (train_data_dir must\n"
        ),
    ),
    (
        "no_data",
        (
            b"                    ERROR    No data found.                 train_network.py:576\n"
            b"                             Please verify arguments\n"
        ),
    ),
    (
        "image_corrupt",
        b"  0%|   | 0/2 [00:00<?, ?it/s]2026-11-21 03:03:41 WARNING  failed to get image size: /a.png\n",
    ),
]

HARMLESS = [
    b"  caption: OutOfMemoryError: CUDA out of memory. Tried to allocate\n",
    b"prompt: a girl, ModuleNotFoundError: No module named 'lion_pytorch'\n",
    (
        b"                    INFO     [Dataset 0]         config_util.py:580\n"
        b"                             No data found. Please verify: a caption\n"
    ),
    b"A matching Triton is not available.\nError caught was: No module named 'triton'\n",
    b"2024-08-18 02:09:33.530103: E cuda_dnn.cc:9261] Unable to register cuDNN factory: already registered\n",
    b"UserWarning: 1Torch was not compiled with flash attention.\n",
    b"ignore directory without repeats / x: .ipynb_checkpoints\nsteps: 0%| | 0/9 [00:00<?, ?it/s]\n",
    b"saving checkpoint: /out/nan/loss=nan.safetensors\n",
    b'@loratui {"event":"sample","path":"x","prompt":"\\nKeyboardInterrupt"}\n',
    b"steps:  12%|# | 120/1000 [02:10<15:56,  1.09s/it, avr_loss=0.101]\n",
    ECHO,
]


def found(data: bytes) -> list[str]:
    return [hint.key for hint in HintMatcher().feed(data + b"\n")]


@pytest.mark.parametrize(("key", "log"), CASES)
def test_an_issue_is_found_once_by_its_own_key(key: str, log: bytes) -> None:
    assert found(log + log) == [key]


@pytest.mark.parametrize("log", HARMLESS)
def test_what_only_looks_like_one_is_not(log: bytes) -> None:
    assert found(log) == []


parts = st.sampled_from([log for _, log in CASES] + HARMLESS)


@given(st.lists(parts, max_size=5), st.lists(st.integers(1, 200), min_size=1, max_size=10))
def test_cut_anywhere_is_the_same(logs: list[bytes], sizes: list[int]) -> None:
    data = b"".join(logs) + b"\n"
    matcher, at, hits = HintMatcher(), 0, []
    for index in range(len(data)):
        size = sizes[index % len(sizes)]
        hits += [hint.key for hint in matcher.feed(data[at : at + size])]
        at += size
        if at >= len(data):
            break
    assert hits == found(b"".join(logs))


def test_what_was_given_before_is_not_given_again() -> None:
    assert list(HintMatcher(seen=["oom_cuda"]).feed(OOM)) == []


def test_the_line_is_kept() -> None:
    (hint,) = HintMatcher().feed(b"\x1b[31m" + OOM)
    assert hint.severity == "fatal"
    assert hint.line.startswith("torch.OutOfMemoryError: CUDA out of memory.")


def test_the_table_is_sound() -> None:
    keys = [row.key for row in hints.rules()]
    assert len(keys) == len(set(keys))
    sections = set(flatten(Recipe()))
    for row in hints.rules():
        assert row.cause.endswith(".") and row.fix and row.title
        assert all(re.compile(pattern) for pattern in row.patterns)
        assert set(row.unless) <= set(keys)
        for key in row.change:
            assert key in sections or key.startswith("kohya."), key
        concrete = hints.recipe_changes(row, Recipe())
        changed = change(Recipe(), concrete)
        assert set(concrete) <= {key for key, _, _ in Recipe().diff(changed)}


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ("oom_cuda_vae", "oom_cuda"),
        ("shm_bus", "dl_worker_died"),
        ("dl_worker_died", "oom_ram"),
        ("disk_full", "output_dir_bad"),
        ("mod_lion", "mod_generic"),
        ("folder_repeats", "no_data"),
        ("v2_flag", "wrong_arch"),
        ("hf_gated", "hf_token"),
        ("model_missing", "file_missing"),
        ("file_missing", "refused"),
        ("refused", "at_step"),
    ],
)
def test_what_tells_more_stands_first_through_all_files_of_the_table(first: str, then: str) -> None:
    keys = [row.key for row in hints.rules()]
    assert keys.index(first) < keys.index(then)


def test_a_change_is_worked_out_for_the_recipe_at_hand() -> None:
    row = hints.rule("oom_cuda")
    assert row is not None
    recipe = Recipe(steps=Steps(batch_size=5))
    assert hints.recipe_changes(row, recipe) == {
        "steps.batch_size": 2,
        "training.gradient_checkpointing": True,
    }
    smaller = change(change(recipe, hints.recipe_changes(row, recipe)), {"steps.batch_size": 1})
    assert hints.recipe_changes(row, smaller) == {}
    row = hints.rule("loss_nan")
    assert row is not None
    assert hints.recipe_changes(row, recipe) == {"optimizer.unet_rate": pytest.approx(1e-5)}


def test_a_trainers_own_message_is_a_hint() -> None:
    assert hints.from_message(Message("info", "all well")) is None
    assert hints.from_message(Message("error", "x", "loss_nan")) == Hint("loss_nan", "fatal", "x")
    assert hints.from_message(Message("warning", "x", "black_samples")) == Hint(
        "black_samples", "quality", "x"
    )
    assert hints.from_message(Message("warning", "x", "of_its_own")) == Hint("of_its_own", "warning", "x")


@pytest.mark.parametrize(
    ("optimizer", "network", "steps", "rates", "expected"),
    [
        (Optimizer(unet_rate=1e-4), Network(rank=16, alpha=8), 1500, {}, False),
        (Optimizer(unet_rate=1e-3), Network(rank=4, alpha=4), 60, {}, False),
        (Optimizer(unet_rate=1e-6), Network(rank=16, alpha=8), 1500, {}, True),
        (Optimizer(unet_rate=1e-4), Network(rank=128, alpha=1), 1000, {}, True),
        (Optimizer(unet_rate=1e-4), Network(rank=16, alpha=8), 20, {}, True),
        (Optimizer(unet_rate=1e-4), Network(rank=16, alpha=8), 0, {}, False),
        (Optimizer(name="Prodigy", unet_rate=1.0), Network(rank=16, alpha=16), 1000, {"unet": 4e-4}, False),
        (Optimizer(name="Prodigy", unet_rate=1.0), Network(rank=16, alpha=16), 1000, {"unet": 1e-6}, True),
        (Optimizer(name="Prodigy", unet_rate=1.0), Network(rank=16, alpha=16), 1000, {}, False),
        (Optimizer(name="Prodigy", unet_rate=1e-4), Network(rank=16, alpha=16), 1000, {}, True),
    ],
)
def test_a_lora_without_effect(
    optimizer: Optimizer, network: Network, steps: int, rates: dict[str, float], expected: bool
) -> None:
    recipe = msgspec.structs.replace(Recipe(), optimizer=optimizer, network=network)
    hint = without_effect(recipe, steps, rates)
    assert (hint is not None) is expected
    if hint is not None:
        assert (hint.key, hint.severity) == ("no_effect", "quality")
        assert hints.rule(hint.key) is not None


def test_the_words_of_a_fix_name_the_very_packages_that_would_be_installed() -> None:
    assert hints.rule("numpy2").fix == "pip install 'numpy<2', or upgrade the package that complains."  # type: ignore[union-attr]
    for row in hints.rules():
        assert "{install}" not in row.fix
        if row.install:
            assert all(part in row.fix for part in row.install), row.key
