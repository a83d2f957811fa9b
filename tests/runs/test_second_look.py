"""A text that lost its lines, or tells of an error in a sentence, is read all the same."""

from __future__ import annotations

import json

import pytest

from loratui.runs.hints.diagnose import diagnose
from loratui.runs.hints.relaid import laid_out
from loratui.runs.hints.told import lines_of, told
from tests.support.healthy_log import begun

TRACEBACK = """Traceback (most recent call last):
  File "/opt/sd/train_network.py", line 1913, in <module>
    trainer.train(args)
  File "/opt/sd/library/train_util.py", line 295, in select_bucket
    ar_error = (reso[0] / reso[1]) - aspect_ratio
ZeroDivisionError: division by zero
"""


def keys_of(text: str | bytes) -> list[str]:
    return [hint.key for hint in diagnose([[text.encode() if isinstance(text, str) else text]]).hints]


MADE_OF_IT = {
    "one line": " ".join(TRACEBACK.split()),
    "one line with wide gaps": TRACEBACK.replace("\n", " " * 90),
    "JSON": json.dumps({"output": TRACEBACK}),
    "a notebook": json.dumps([f"{line}\n" for line in TRACEBACK.splitlines()], indent=1),
    "Python's bytes": repr(TRACEBACK.encode()),
    "all indented": "It fails:\n\n" + "".join(f"    {line}\n" for line in TRACEBACK.splitlines()),
    "numbered lines": "".join(
        f"{number:4}  {line}\n" for number, line in enumerate(TRACEBACK.splitlines(), 1)
    ),
    "no indentation": "\n".join(line.strip() for line in TRACEBACK.splitlines()),
    "no <module>": TRACEBACK.replace(" <module>", ""),
}


@pytest.mark.parametrize("made", MADE_OF_IT)
def test_the_cause_is_found(made: str) -> None:
    assert keys_of(MADE_OF_IT[made]) == ["image_too_small"]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (
            "mod_lion",
            "I always get ModuleNotFoundError: No module named 'lion_pytorch' when I start, please help",
        ),
        ("mod_lycoris", "使用linux服务器训练loha时，报ModuleNotFoundError: No module named 'lycoris'错。"),
        ("oom_cuda", "- torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"),
        ("oom_cuda", "Error running job: CUDA out of memory. Tried to allocate 20.00 MiB"),
        ("torch_cpu", "fp16 mixed precision requires a GPU"),
        (
            "pip_resolve",
            "I followed the steps and got ERROR: Could not find a version that satisfies the requirement a",
        ),
        ("version_skew", "Exception training model: 'local variable 'loss' referenced before assignment'."),
        ("at_program", "AttributeError: 'NoneType' object has no attribute 'to'"),
        ("no_data", "prepare images.\n0 train images with repeating.\n0 reg images."),
        ("at_dataset", TRACEBACK.replace("select_bucket", "__getitem__").rpartition("    ar_error")[0]),
    ],
)
def test_an_error_that_is_only_told_of(key: str, text: str) -> None:
    assert keys_of(text) == [key]


HEAD = "Traceback (most recent call last):\n"
MAIN = '  File "/opt/sd/train_network.py", line 9, in <module>\n    trainer.train(args)\n'
BOX = """╭───────── Traceback (most recent call last) ─────────╮
│ /opt/sd/train_network.py:442 in train               │
│                                                     │
│    441 │   # not at work: load_target_model()       │
│ ❱  442 │   train_util.resume_from_local_or_hf_if_specified(a │
│    443 │   self.cache_latents()                     │
"""
REPORT = """- **Exception Type:** {error}
- **Exception Message:** {message}
## Stack Trace
"""


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("accelerate_missing", "setup says that it cannot find accelerate on this machine"),
        ("accelerate_missing", "not found: something called accelerate, the docker image is broken"),
        ("hf_offline", "Failed! We could not load the tokenizer of that CLIP model"),
        ("at_cache", "caching latents...\nodd.OddError: strange it is\nsteps end here, oddly\n"),
        ("at_resume", BOX),
        ("spawn", REPORT.format(error="AttributeError", message="Can't pickle local object 'f'")),
        ("encoding_read", REPORT.format(error="UnicodeDecodeError", message="'utf-8' codec can't decode x")),
        ("hf_offline", f"{HEAD}{MAIN}    raise ProxyError(e, request"),
        ("at_program", f"{HEAD}{MAIN}    odd(x)\n"),
        ("wrong_arch", "size mismatch for\ndown_blocks.1.proj_in.weight: copying a param with shape x"),
        ("net_dim_mismatch", "size mismatch for\nlora_unet_x.lora_up.weight: copying a param with shape x"),
        ("protobuf", 'It says "This program was compiled against version 3.9 of the Protocol Buffer runtime'),
    ],
)
def test_what_is_cut_or_said_in_other_words_is_named(key: str, text: str) -> None:
    assert keys_of(text) == [key]


@pytest.mark.parametrize(
    "text",
    [
        "caption: an error: CUDA out of memory, 1girl\n  prompt: failed: No module named 'torch'",
        "Error caught was: No module named 'triton'",
        "WARNING  Could not automatically configure accelerate. Please run accelerate config.",
        "1Torch was not compiled with flash attention.",
        "No module named 'xformers'. Proceeding without it.",
        "saving checkpoint: /out/save_state/save_state-step00000002.safetensors",
        "max_bucket_reso: 256",
        "You are using a model of type clip_text_model for one of type . This is not supported",
        TRACEBACK.partition("ZeroDivision")[0].replace(
            "library/train_util.py", "lib/python3.11/subprocess.py"
        ),
        "  File \"/x.py\", line 5, in f\n    import triton\nModuleNotFoundError: No module named 'triton'",
        "CUDA SETUP: Loading binary /opt/bitsandbytes/libbitsandbytes_cuda118.so...",
    ],
)
def test_what_is_no_error_is_not_told_as_one(text: str) -> None:
    assert keys_of(text) == []


def test_a_run_under_way_is_not_looked_at_again() -> None:
    assert (
        keys_of(begun("somebody says: got RuntimeError: CUDA out of memory. Tried to allocate 2 GiB")) == []
    )


def test_a_first_look_that_found_something_stands() -> None:
    told_too = "I got RuntimeError: CUDA out of memory. Tried to allocate 2 GiB\n"
    assert keys_of(told_too + TRACEBACK) == ["image_too_small"]


def test_plain_text_stays_as_it_is() -> None:
    assert laid_out(TRACEBACK) == TRACEBACK
    assert told(lines_of(TRACEBACK), failed=True) == []
