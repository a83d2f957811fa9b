"""Lines a second of the hint matcher, beside a bare split of the same text in the same process.

    python benchmarks/hints.py [LOG]

Without a log, two in the shape of sd-scripts' are made: progress bars, rich's log lines and their wrapped
continuations, a dataset's echo, a traceback; and the same without bars, as a run starts.
Prints one JSON object; exits 1 below 20,000 lines a second.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from loratui.runs.hints.matcher import HintMatcher

WANTED = 20_000
_CHUNK = 1 << 16
_ROUNDS = 3


def made_log(blocks: int = 1_000, bars_of_a_block: int = 30) -> bytes:
    """A log of ten lines a block, and bars, with every kind of line a run prints."""
    head = " " * 20
    lines = [
        f"{head}INFO     load tokenizer from cache:                       strategy_base.py:61",
        f"{head}         /home/user/tok/openai_clip-vit-large-patch14",
        f"{head}WARNING  no regularization images / 正則化画像が見つかりませんでした  train_util.py:2163",
        "  class_tokens: a woman, RuntimeError: in the rain, killed, nan, cuda error",
        "    caption_dropout_rate: 0.0",
        "saving checkpoint: /workspace/out/hero-000004.safetensors",
        "model saved.",
        "UserWarning: 1Torch was not compiled with flash attention. (Triggered internally)",
        '  File "/home/user/sd-scripts/library/train_util.py", line 4860, in get_input_ids',
        "    return self.process(text, tokenizer=tokenizer)",
    ]
    bars = [
        f"steps:  12%|█▎        | {step}/1600 [02:10<15:56,  1.09s/it, avr_loss=0.1{step}]"
        for step in range(100, 100 + bars_of_a_block)
    ]
    return ("\n".join(lines) + "\n" + "\r".join(bars) + "\n").encode() * blocks


def fastest(work: Callable[[bytes], None], data: bytes) -> float:
    """CPU seconds of the fastest of a few rounds."""
    times = []
    for _ in range(_ROUNDS):
        start = time.process_time()
        work(data)
        times.append(time.process_time() - start)
    return min(times)


def match(data: bytes) -> None:
    matcher = HintMatcher()
    for at in range(0, len(data), _CHUNK):
        for _ in matcher.feed(data[at : at + _CHUNK]):
            pass


def split(data: bytes) -> None:
    for line in data.decode("utf-8", "replace").replace("\r", "\n").split("\n"):
        line.strip()


def main() -> int:
    data = Path(sys.argv[1]).read_bytes() if len(sys.argv) > 1 else made_log()
    lines = data.count(b"\n") + data.count(b"\r")
    matching, splitting = fastest(match, data), fastest(split, data)
    rate = lines / matching
    start = made_log(bars_of_a_block=0)
    print(
        json.dumps(
            {
                "lines": lines,
                "lines_per_second": round(rate),
                "lines_per_second_of_a_start": round(start.count(b"\n") / fastest(match, start)),
                "split_lines_per_second": round(lines / splitting),
                "times_a_bare_split": round(matching / splitting, 1),
                "wanted_lines_per_second": WANTED,
            }
        )
    )
    return 0 if rate >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
