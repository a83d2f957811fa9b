"""``python3 loratui/doctor`` or ``python -m loratui.doctor``: what this machine has, and can, before anything
is installed."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

if not __package__:  # started as a folder, from an unpacked source
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from loratui.doctor.report import run


def main() -> int:
    """0 when training can start here, 1 when something it needs is missing or broken."""
    parser = argparse.ArgumentParser(prog="loratui doctor", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    return run(as_json=parser.parse_args().json)


if __name__ == "__main__":
    sys.exit(main())
