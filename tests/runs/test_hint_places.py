# ruff: noqa: E501 - frames stand whole, as Python prints them
"""An exception that no row knows by its message is named by where it stands in the traceback."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.runs.hints import matcher as hints
from loratui.runs.hints.diagnose import diagnose
from loratui.runs.hints.matcher import HintMatcher
from loratui.runs.hints.tracebacks import Frames
from tests.support.healthy_log import begun, finished

UNKNOWN = "KeyError: 'nobody has met this one'"
MAIN = 'File "/opt/sd/train_network.py", line 1913, in <module>\n    trainer.train(args)'


def traceback(*frames: str, error: str = UNKNOWN) -> str:
    """A traceback from a program's main module through ``frames`` of sd-scripts or of packages."""
    rows = [MAIN, *(f'File "/opt/{frame}' for frame in frames)]
    return "Traceback (most recent call last):\n" + "".join(f"  {row}\n" for row in rows) + f"{error}\n"


def keys_of(text: str) -> list[str]:
    return [found.key for found in diagnose([[text.encode()]]).hints]


PLACES = {
    "refused": ('sd/library/train_util.py", line 9, in verify\n    raise ValueError(', "ValueError: the sky is green"),
    "at_gui": ('kohya_gui/lora_gui.py", line 9, in train_model\n    x = y[z]', "RuntimeError: odd"),
    "at_arguments": ('sd/library/train_util.py", line 9, in read_config_from_file\n    x = y[z]', UNKNOWN),
    "at_tokenizer": ('lib/site-packages/transformers/tokenization_utils_base.py", line 9, in f\n    x', UNKNOWN),
    "at_model": ('sd/library/flux_utils.py", line 9, in load_flow_model\n    x = y[z]', UNKNOWN),
    "at_cache": ('sd/library/strategy_base.py", line 9, in cache_batch_latents\n    x = y[z]', UNKNOWN),
    "at_dataset": ('sd/library/train_util.py", line 9, in __getitem__\n    x = y[z]', UNKNOWN),
    "at_network": ('sd/networks/lora.py", line 9, in create_modules\n    x = y[z]', UNKNOWN),
    "at_scheduler": ('sd/library/train_util.py", line 9, in get_scheduler_fix\n    x = y[z]', UNKNOWN),
    "at_optimizer": ('lib/site-packages/prodigyopt/prodigy.py", line 9, in step\n    x = y[z]', UNKNOWN),
    "at_sampling": ('sd/library/train_util.py", line 9, in sample_image_inference\n    x = y[z]', UNKNOWN),
    "at_saving": ('sd/train_network.py", line 9, in save_model\n    x = y[z]', UNKNOWN),
    "at_resume": ('sd/library/train_util.py", line 9, in load_state\n    x = y[args.resume]', UNKNOWN),
    "at_logging": ('lib/site-packages/wandb/sdk/wandb_init.py", line 9, in init\n    x = y[z]', UNKNOWN),
    "at_launch": ('lib/site-packages/accelerate/state.py", line 9, in __init__\n    x = y[z]', UNKNOWN),
    "at_imports": ('sd/library/x.py", line 9, in <module>\n    import onnx', "RuntimeError: broken"),
    "at_program": ('sd/library/x.py", line 9, in f\n    x = y[z]', UNKNOWN),
    "at_step": ('sd/train_network.py", line 9, in process_batch\n    x = y + z', "RuntimeError: odd shapes"),
}  # fmt: skip


def test_every_general_row_has_its_place() -> None:
    assert set(PLACES) == {row.key for row in hints.rules() if row.is_general}


@pytest.mark.parametrize("key", PLACES)
def test_an_unknown_exception_is_named_by_its_place(key: str) -> None:
    frame, error = PLACES[key]
    assert keys_of(traceback(frame, error=error)) == [key]
    torch = 'lib/site-packages/torch/nn/modules/module.py", line 1751, in _wrapped_call_impl\n    return f(x)'
    inside = traceback(frame, torch, error=error)
    assert keys_of(inside) == [key] or key == "refused"


def test_rich_draws_the_same_traceback() -> None:
    box = (
        "╭──────────── Traceback (most recent call last) ───────────╮\n"
        "│ /opt/sd/train_network.py:174 in <module>                 │\n"
        "│ ❱ 174 │   trainer.train(args)                            │\n"
        "│ /opt/sd/library/model_util.py:9 in load_checkpoint_of    │\n"
        "│ ❱   9 │   x = y[z]                                       │\n"
        "╰──────────────────────────────────────────────────────────╯\n"
    )
    assert keys_of(box + UNKNOWN) == ["at_model"]


def test_a_message_that_is_known_says_more() -> None:
    at = PLACES["at_model"][0]
    assert keys_of(traceback(at, error="RuntimeError: CUDA error: an illegal memory access")) == [
        "cuda_crash"
    ]
    handled = traceback(at) + "\nDuring handling of the above exception, another exception occurred:\n\n"
    assert keys_of(handled + traceback(at, error="OSError: [Errno 28] No space left on device")) == [
        "disk_full"
    ]
    assert keys_of("Killed\n" + traceback(at)) == ["oom_ram"]


def test_the_message_may_come_on_the_next_line() -> None:
    text = traceback(
        PLACES["at_model"][0], error="RuntimeError: \n    CUDA Setup failed despite GPU being available."
    )
    assert keys_of(text) == ["bnb_cuda"]


def test_what_a_package_caught_and_printed_is_no_failure() -> None:
    caught = (
        "Traceback (most recent call last):\n"
        '  File "/opt/site-packages/transformers/utils/hub.py", line 9, in cached_file\n    x = y[z]\n'
        f"{UNKNOWN}\n"
    )
    assert keys_of(caught) == []
    for log in (begun(caught), finished(traceback(PLACES["at_model"][0]))):
        assert [hint.key for hint in diagnose([[log]]).hints if hint.severity == "fatal"] == []


def test_a_workers_exception_counts_not_its_echo() -> None:
    outer = traceback('lib/site-packages/torch/_utils.py", line 9, in reraise\n    raise exception', error=(
        "RuntimeError: Caught RuntimeError in DataLoader worker process 0."))  # fmt: skip
    inner = (
        "Original Traceback (most recent call last):\n"
        '  File "/opt/site-packages/torch/utils/data/_utils/worker.py", line 9, in _worker_loop\n    data = f(x)\n'
        '  File "/opt/sd/library/train_util.py", line 9, in __getitem__\n    x = y[z]\nRuntimeError: odd\n'
    )
    assert keys_of(outer + inner) == ["at_dataset"]


@given(st.lists(st.integers(1, 400), max_size=6))
def test_wherever_the_bytes_are_cut_the_hint_is_the_same(cuts: list[int]) -> None:
    data = traceback(PLACES["at_model"][0], PLACES["at_step"][0]).encode()
    matcher, found, at = HintMatcher(), [], 0
    for length in [*cuts, len(data)]:
        found += [hint.key for hint in matcher.feed(data[at : at + length])]
        at += length
    assert found + [hint.key for hint in matcher.close()] == ["at_model"]


def test_frames_are_kept_in_bounded_memory() -> None:
    frames = Frames()
    frames.note("Traceback (most recent call last):")
    frames.note('  File "/opt/main.py", line 1, in <module>')
    for _ in range(1_000):
        frames.note(f'  File "/opt/{"deep/" * 1_000}x.py", line 1, in f')
        frames.note("    " + "x" * 10_000)
    raised = frames.raised("RecursionError: too deep")
    assert raised is not None and raised.error == "RecursionError"
    assert len(raised.frames) <= 60 and max(map(len, raised.frames)) <= 700
