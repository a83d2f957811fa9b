"""Stands where ``train_network.py`` lies in a checkout, and replays a recorded run with its timing.

It reads its config.toml as sd-scripts does, leaves the files that the record speaks of, and refuses what
sd-scripts refuses. ``LORATUI_REPLAY`` names the record, ``LORATUI_REPLAY_RESUMED`` the one for a start with
``resume``, ``LORATUI_REPLAY_LORA`` a LoRA file to save, ``LORATUI_REPLAY_SPEED`` how many times faster it
starts; its steps take the time they took.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

_SAVING = re.compile(r"saving checkpoint: (\S+)")
_STATE = re.compile(r"save train state to (\S+)/train_state\.json")
_RECORDED = re.compile(r"/home/user/out/(\w+)/\1\b")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--config_file", required=True)
    config: dict[str, Any] = {}
    for section in tomllib.loads(Path(parser.parse_args().config_file).read_text()).values():
        config |= section
    record = os.environ["LORATUI_REPLAY"]
    if config.get("resume"):
        if not config.get("skip_until_initial_step") or not Path(config["resume"]).is_dir():
            raise ValueError(f"there is nothing to go on from: {config.get('resume')}")
        record = os.environ["LORATUI_REPLAY_RESUMED"]
    output = f"{config['output_dir']}/{config['output_name']}"
    speed = float(os.environ["LORATUI_REPLAY_SPEED"])
    last = 0.0
    for line in Path(record).read_text(encoding="utf-8").splitlines():
        seconds, stream, text = json.loads(line)
        time.sleep(max(0.0, (seconds - last) / speed))
        last = seconds
        speed = 1.0 if "steps: " in text else speed
        text = _RECORDED.sub(output, text)
        _leave_files(text)
        target = sys.stdout if stream == "out" else sys.stderr
        target.write(text)
        target.flush()


def _leave_files(text: str) -> None:
    for path in _SAVING.findall(text):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(os.environ["LORATUI_REPLAY_LORA"], path)
    for folder in _STATE.findall(text):
        Path(folder).mkdir(parents=True, exist_ok=True)
        (Path(folder) / "train_state.json").write_text('{"current_epoch": 1, "current_step": 4}')


if __name__ == "__main__":
    main()
