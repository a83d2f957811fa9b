"""The door: which command there are, found without importing them."""

from __future__ import annotations

import click

from loratui import __version__
from loratui.cli.lazy import LazyGroup
from loratui.places import expanded
from loratui.problems import nearest

_COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "A tiny model and drawn pictures: the whole way in a minute, no GPU, no download."),
    "train": ("train", "Train a recipe or a Kohya config.toml, and follow it in plain lines."),
    "runs": ("runs", "The runs on this machine."),
    "attach": ("runs", "Watch a run again."),
    "stop": ("runs", "Stop a run; the builtin engine saves first."),
    "save": ("runs", "Save a running run now; the builtin engine can."),
    "sample": ("runs", "Draw a running run's sample pictures now; the builtin engine can."),
    "resume": ("runs", "Go on with a run from its last saved state."),
    "rerun": ("runs", "The same recipe once more, with changes."),
    "logs": ("runs", "What a run's trainer printed."),
    "status": ("history", "A run in one line."),
    "report": ("history", "A run as one page to copy home."),
    "compare": ("history", "Two runs: what differed, and how the loss went."),
    "delete": ("history", "A run with all its files, after asking."),
    "notify": ("notify", "Word of a run's end: ntfy, Discord, Telegram, JSON, a command."),
    "machine": ("machine", "Stop the rented machine after a run: RunPod, vast.ai; off by default."),
    "keep": ("machine", "Keep this machine on: call off a stop that is counting down."),
    "after-restart": (
        "restart",
        "Tell of runs that a restart lost, go on with the queue; by itself if asked.",
    ),
    "queue": ("queue", "Runs that wait for a GPU: order, hold, change, go on after a failure."),
    "fix": ("fix", "What one key can do about a run's trouble: shown, then done."),
    "check": ("check", "Everything in a dataset that would spoil training on it."),
    "dataset": (
        "dataset.group",
        "Mend a dataset: duplicates, formats, captions; preview and undo.",
    ),
    "steps": ("facts", "The exact number of steps, before anything starts."),
    "advise": ("advise", "What to set and why; the memory, time and money it takes."),
    "diagnose": ("diagnose", "What went wrong, from the log of any sd-scripts or builtin run."),
    "new": ("new", "A recipe for a folder of pictures, as the wizard derives it, with reasons."),
    "presets": ("presets", "Values that others train with, by family and purpose."),
    "import": ("importing", "A recipe from a kohya_ss GUI .json or any Kohya config."),
    "models": ("models", "Base models by name, and what of them is on this disk."),
    "download": ("models", "Fetch a base model; it goes on where it broke off."),
    "model": ("facts", "What a model file is, from its header alone."),
    "setup": ("setup", "Set up kohya-ss/sd-scripts, the engine that trains every family."),
    "doctor": ("doctor", "What this machine has and can; each thing that is wrong with what mends it."),
    "export": ("export", "Write a recipe for another program: SkyPilot, which rents the machine."),
    "lora": ("lora.group", "Finished LoRA files: look at them, prove them, carry them on."),
    "open": ("open", "Open the screens (the same as plain loratui)."),
}
"""Command to module below ``loratui.cli`` and one line of help, as ``LazyGroup`` takes it."""


_OWN_OPTIONS = {"-h", "--help", "--version"}


class Door(LazyGroup):
    """Takes a folder or a file in place of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in _OWN_OPTIONS):
            args = ["open", *args]  # --slow and the like are the screens'
        elif args[0] not in _COMMANDS and not args[0].startswith("-"):
            if not expanded(args[0]).exists():
                word = nearest(args[0], _COMMANDS)
                raise click.UsageError(
                    f"{args[0]!r} is neither a command nor a folder or file. {word}".rstrip()
                )
            args = ["open", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Door, table=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loratui")
def cli() -> None:
    """Train LoRAs from a terminal: a wizard, a live panel, and runs that outlive the connection.

    Without a command the screens open; with a folder of pictures, the wizard opens on it; with a recipe or
    a Kohya config.toml, on its last page; with the folder of a run, its panel.
    """


def run() -> int:
    """Run the command line. Wrong use ends with a sentence and exit code 2."""
    try:
        code: int | None = cli(prog_name="loratui", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return 2
    except click.Abort:
        return 130
    return code or 0
