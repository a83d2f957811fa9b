"""A run of sd-scripts that goes well, with a line of somebody's log in it."""

from __future__ import annotations

_START = """preparing accelerator
accelerator device: cuda
{extra}
running training / 学習開始
  total optimization steps / 学習ステップ数: 40
steps:   0%|          | 0/40 [00:00<?, ?it/s]
epoch 1/1
"""
_END = "".join(f"steps:  50%|█ | {n}/40 [00:30<00:10,  1.07it/s, avr_loss=0.091]\r" for n in range(1, 41))


def begun(line: str) -> bytes:
    """A run whose first step is under way."""
    return _START.replace("{extra}", line).encode()


def finished(line: str) -> bytes:
    """The same run, to its end."""
    return begun(line) + (_END + "\nmodel saved.\n").encode()
