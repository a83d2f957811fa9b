"""Starts the command line."""

from __future__ import annotations

from loratui.cli.door import main

if __name__ == "__main__":
    main()
