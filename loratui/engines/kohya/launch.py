"""The command line of a Kohya run: accelerate's launcher with every flag it would ask for.

accelerate guesses what is not said and prints six lines about it, or takes it from a default_config.yaml
that ``accelerate config`` once wrote, which may say DeepSpeed (accelerate/commands/launch.py,
``_validate_launch_command``). Both are kept out.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from loratui.engines.engine import Command
from loratui.recipe import Launch

DEFAULT_PORT = 29500
LAUNCHER_FILE = "accelerate.yaml"
_RANK = "--machine_rank="


def command(
    launch: Launch, precision: str, python: str, script: Path, run_folder: Path, *, own_config: bool
) -> Command:
    """The command that trains, run in the checkout. ``own_config`` hands accelerate ``LAUNCHER_FILE`` of
    the run's folder in place of the person's default_config.yaml."""
    argv = [
        python,
        "-m",
        "accelerate.commands.launch",
        *([f"--config_file={run_folder / LAUNCHER_FILE}"] if own_config else []),
        "--num_cpu_threads_per_process=1",
        f"--num_processes={launch.num_processes}",
        f"--num_machines={launch.num_machines}",
        f"--mixed_precision={precision}",
        "--dynamo_backend=no",
        *_many_processes(launch),
        str(script),
        "--config_file",
        str(run_folder / "config.toml"),
    ]
    return Command(tuple(argv), ENVIRONMENT, script.parent)


ENVIRONMENT: Mapping[str, str] = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_ETAG_TIMEOUT": "5",  # seconds a machine without a network waits for each cached file; 10 else
    "TOKENIZERS_PARALLELISM": "false",  # else tokenizers warns of forks in the log
}


def _many_processes(launch: Launch) -> list[str]:
    if launch.num_processes == 1:
        return []
    if launch.num_machines == 1:  # port 0 takes a free one, so that two runs can share a machine
        return ["--multi_gpu", f"--main_process_port={launch.main_process_port or 0}"]
    return [
        "--multi_gpu",
        f"{_RANK}{launch.machine_rank}",
        f"--main_process_ip={launch.main_process_ip}",
        f"--main_process_port={launch.main_process_port or DEFAULT_PORT}",
        "--same_network",
        "--rdzv_backend=static",
    ]


def person_has_launcher_config() -> bool:
    """Whether ``accelerate config`` was once answered here (accelerate/commands/config/config_args.py)."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    home = os.environ.get("HF_HOME") or f"{cache}/huggingface"
    return (Path(home).expanduser() / "accelerate" / "default_config.yaml").is_file()


def launcher_file(launch: Launch, precision: str) -> str:
    """What ``accelerate config`` would have written for this launch, as YAML."""
    return (
        "compute_environment: LOCAL_MACHINE\n"
        f"distributed_type: {'NO' if launch.num_processes == 1 else 'MULTI_GPU'}\n"
        "downcast_bf16: 'no'\n"
        f"machine_rank: {launch.machine_rank}\n"
        "main_training_function: main\n"
        f"mixed_precision: '{precision}'\n"
        f"num_machines: {launch.num_machines}\n"
        f"num_processes: {launch.num_processes}\n"
        "use_cpu: false\n"
    )


def commands_elsewhere(started: Command) -> dict[int, str]:
    """What to type on each other machine, by its rank, given the command of one of them.

    Paths are the same: the checkout, the run's config.toml and all it names must be there too.
    """
    argv = list(started.argv)
    own = next((word for word in argv if word.startswith(_RANK)), None)
    if own is None:
        return {}
    count = next(int(word.partition("=")[2]) for word in argv if word.startswith("--num_machines="))
    commands = {}
    for rank in range(count):
        if own != f"{_RANK}{rank}":
            words = [f"{_RANK}{rank}" if word == own else word for word in argv]
            commands[rank] = f"cd {shlex.quote(str(started.cwd))} && {shlex.join(words)}"
    return commands


def writes_elsewhere(started: Command) -> bool:
    """Whether this is the command of a machine that helps another one, which writes the LoRA file."""
    return any(word.startswith(_RANK) and word != f"{_RANK}0" for word in started.argv)
