"""The door: which command there are, found without importing them."""

from __future__ import annotations

import contextlib
import importlib
import sys
import traceback
from pathlib import Path
from typing import NoReturn

import click

from loratui import __version__, places
from loratui.cli.output import fail
from loratui.problems import Problem, UserError, nearest

_COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("demo", "A tiny model and drawn pictures: the whole way in a minute, no GPU, no download."),
    "train": ("train", "Train a recipe or a Kohya config.toml, and follow it in plain lines."),
    "runs": ("runs", "The runs on this machine."),
    "attach": ("runs", "Watch a run again."),
    "stop": ("runs", "Stop a run; the builtin engine saves first."),
    "resume": ("runs", "Go on with a run from its last saved state."),
    "rerun": ("runs", "The same recipe once more, with changes."),
    "logs": ("runs", "What a run's trainer printed."),
    "steps": ("facts", "The exact number of steps, before anything starts."),
    "model": ("facts", "What a model file is, from its header alone."),
    "open": ("open", "Open the screens (the same as plain loratui)."),
}
"""Command to module below ``loratui.cli`` and one line of help."""


class Door(click.Group):
    """Imports a command's module when it is called, and takes a folder in place of a command."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"loratui.cli.{_COMMANDS[cmd_name][0]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, words) for name, (_, words) in _COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args:
            args = ["open"]
        elif args[0] not in _COMMANDS and not args[0].startswith("-"):
            if not Path(args[0]).expanduser().exists():
                word = nearest(args[0], _COMMANDS)
                raise click.UsageError(f"{args[0]!r} is neither a command nor a folder. {word}".rstrip())
            args = ["open", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Door, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="loratui")
def cli() -> None:
    """Train LoRAs from a terminal: a wizard, a live panel, and runs that outlive the connection.

    Without a command the screens open; with a folder of pictures, the wizard opens on it.
    """


def main() -> NoReturn:
    """Run the command line. No traceback reaches a person: known troubles end with a sentence and
    exit code 1, wrong use with 2."""
    try:
        code = cli(prog_name="loratui", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except UserError as error:
        fail(error)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        fail(UserError(str(error.filename or ""), Problem("", f"{error.strerror or error}.")))
    except Exception as error:
        fail(_unexpected(error))
    sys.exit(code or 0)


def _unexpected(error: Exception) -> UserError:
    """A fault of ours: the traceback goes to a file that can be sent along, not to the person."""
    report = places.home() / "error.log"
    with contextlib.suppress(OSError):
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return UserError(
        "",
        Problem(
            "",
            f"something went wrong inside loratui ({type(error).__name__}: {error}).",
            f"Runs are not touched by it. The details are in {report}; please report them.",
        ),
    )
