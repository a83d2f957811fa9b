"""``python -m loratui.trainer --config_file config.toml``: one training run, told as JSON lines.

Exit codes: 0 finished, or stopped on request; 1 failed; 2 the config was refused.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from loratui.events import Ended
from loratui.problems import UserError
from loratui.trainer.base.readahead import read_ahead
from loratui.trainer.control import Asked
from loratui.trainer.process import end_now, own_stdout, sentence, uncollected
from loratui.trainer.reporting import causes
from loratui.trainer.reporting.out_of_memory import next_lever
from loratui.trainer.reporting.report import Reporter, line_writer, to_stderr
from loratui.trainer.settings.config import ConfigRefusedError
from loratui.trainer.settings.config_file import load_config
from loratui.trainer.settings.option_rules import option_problems
from loratui.trainer.settings.options import Options
from loratui.trainer.stopping import StopRequest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the trainer. The events go to standard output, everything else to standard error."""
    parser = argparse.ArgumentParser(prog="python -m loratui.trainer", description=__doc__)
    parser.add_argument("--config_file", type=Path, required=True, help="a Kohya config.toml")
    parser.add_argument(
        "--state_minutes",
        type=float,
        default=0.0,
        help="save a state to resume from whenever so many minutes have passed since the last",
    )
    parser.add_argument(
        "--control", type=Path, help="a folder: a file 'save' or 'sample' that appears in it is obeyed"
    )
    parser.add_argument(
        "--as_sd_scripts",
        action="store_true",
        help="take SDXL's text projection out of a single file as sd-scripts does, not as inference does",
    )
    parser.add_argument(
        "--base_4bit", action="store_true", help="keep the U-Net in 4 bits (NF4); needs bitsandbytes"
    )
    parser.add_argument(
        "--skip_damaged", action="store_true", help="leave out pictures that cannot be read, naming each"
    )
    options = parser.parse_args(arguments)
    # accelerate and torchrun number their processes; the first speaks for all.
    emit = line_writer(own_stdout()) if int(os.environ.get("RANK", "0")) == 0 else to_stderr
    stop = StopRequest(at_once=lambda number: end_now(emit, number))
    stop.listen()
    told = Options(
        options.state_minutes,
        Asked(options.control),
        as_sd_scripts=options.as_sd_scripts,
        base_4bit=options.base_4bit,
        skip_damaged=options.skip_damaged,
    )
    return guarded(options.config_file, Reporter(emit), stop, told)


def guarded(config_file: Path, report: Reporter, stop: StopRequest, options: Options | None = None) -> int:
    """Train, and turn whatever goes wrong into one sentence and an exit code."""
    config = None
    options = options or Options()
    try:
        report.phase("starting")
        config = load_config(config_file, partial(_from_hub, report))
        # Whatever else a library would look up lies beside the model.
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        problems = list(option_problems(config, options))
        if problems:
            raise ConfigRefusedError(str(config_file), *problems)
        report.phase("libraries", "loading PyTorch")
        read_ahead(Path(config.pretrained_model_name_or_path).expanduser())
        with uncollected():
            from loratui.trainer.session import train  # seconds of imports: after the first words

        return train(config, report, stop, options)
    except UserError as error:
        report.message("error", str(error), causes.of_refusal(error))
        report.emit(Ended("failed", report.step))
        return 2 if isinstance(error, ConfigRefusedError) else 1
    except Exception as error:
        traceback.print_exc()
        with suppress(OSError):
            report.message(
                "error",
                sentence(error, next_lever(config, packed=options.base_4bit) if config else ""),
                causes.of_fault(error),
            )
            report.emit(Ended("failed", report.step))
        return 1


def _from_hub(report: Reporter, name: str) -> Path:
    from loratui.trainer.base.hub_model import fetch

    report.phase("model", f"asking the hub for {name}")
    return fetch(name, lambda here, total, file: report.progress("model", here, total, f"{name}: {file}"))


if __name__ == "__main__":
    sys.exit(main())
