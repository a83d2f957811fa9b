"""Failures made on purpose with the real sd-scripts on tiny models, one fault each: what it printed.

Of each log stand its warnings, errors and tracebacks (of long ones the inner frames); paths are ours, and the
widths of the tiny models' text encoders are written as those of the real ones where they differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "runs" / "reproduced"
_HEAD = """The following values were not passed to `accelerate launch` and had defaults used instead:
\t`--num_processes` was set to a value of `0`
To avoid this warning pass in values for each of the parameters or run `accelerate config`.
"""
_LAUNCHER = """Traceback (most recent call last):
  File "/home/user/sd-scripts/venv/bin/accelerate", line 8, in <module>
    sys.exit(main())
             ^^^^^^
  File "/home/user/sd-scripts/venv/lib/python3.11/site-packages/accelerate/commands/launch.py", line 1213, in launch_command
    simple_launcher(args)
subprocess.CalledProcessError: Command '['/home/user/sd-scripts/venv/bin/python3', 'train_network.py', '--config_file', '/home/user/run/config.toml']' {ending}.
"""  # noqa: E501 - as it is printed


@dataclass(frozen=True, slots=True)
class Failure:
    """One run that failed."""

    name: str
    key: str
    """Its cause."""
    log: str


def failures(stem: str) -> list[Failure]:
    """Those of one lot, each as ``accelerate launch`` shows it."""
    text = (FOLDER / f"{stem}.txt").read_text(encoding="utf-8")
    return [_failure(part) for part in text.split("##### ")[1:]]


def _failure(part: str) -> Failure:
    head, _, log = part.partition("\n")
    name, key, ending = (word.strip() for word in head.split("|"))
    launcher = _LAUNCHER.format(ending=ending) if ending else ""
    return Failure(name, key, _HEAD + log + launcher)
