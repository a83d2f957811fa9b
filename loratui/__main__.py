"""Starts the command line."""

from __future__ import annotations

import sys

from loratui import python_path


def main() -> None:
    """Plain ``loratui`` opens the screens at once; anything else goes through the door of commands. Does not
    return: it exits."""
    in_the_way = python_path.clear()  # before anything else is imported
    from loratui.cli.output import no_tracebacks, say

    for sentence in in_the_way:
        say(f"loratui: {sentence}")
    with no_tracebacks():
        if len(sys.argv) == 1:
            from loratui.tui.app import run_app

            sys.exit(run_app())
        from loratui.cli.door import run

        sys.exit(run())


if __name__ == "__main__":
    main()
