"""Starts the command line."""

from __future__ import annotations

import sys
from typing import NoReturn

from loratui.cli.output import no_tracebacks


def main() -> NoReturn:
    """Plain ``loratui`` opens the screens at once; anything else goes through the door of commands."""
    with no_tracebacks():
        if len(sys.argv) == 1:
            from loratui.tui.app import run_app

            sys.exit(run_app())
        from loratui.cli.door import run

        sys.exit(run())


if __name__ == "__main__":
    main()
