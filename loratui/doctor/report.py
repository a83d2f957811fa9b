"""The checks as lines for a person, or as one JSON object."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence

from loratui.doctor.check import Check
from loratui.doctor.examine import examine

_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])


def run(*, as_json: bool) -> int:
    """Look, and tell. Returns the exit code."""
    checks = examine(lambda line: print(f"{line} ...", file=sys.stderr, flush=True))
    if as_json:
        print(json.dumps({"checks": [_row(check) for check in checks]}, indent=2), flush=True)
    else:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print("\n".join(lines(checks, columns)), flush=True)
    return 1 if any(check.needed and not check.ok for check in checks) else 0


def _row(check: Check) -> dict[str, object]:
    return {"name": check.name, "ok": check.ok, "detail": check.detail, "fix": check.fix}


def lines(checks: Sequence[Check], columns: int | None = None) -> list[str]:
    """Each check, what mends it below, and a sum. Details are wrapped to ``columns``; fixes are not, as they
    are there to be copied. Text from outside loses its control bytes."""
    width = max((len(check.name) for check in checks), default=0)
    told = []
    for check in checks:
        sign = "ok" if check.ok else "NO" if check.needed else "--"
        told += _wrapped(f"{sign}  {check.name:<{width}}  ", check.detail.translate(_CONTROLS), columns)
        if not check.ok:
            told.append(f"      > {check.fix}".translate(_CONTROLS))
    broken = [check.name for check in checks if check.needed and not check.ok]
    told.append("")
    if broken:
        told += _wrapped("To mend before training here: ", ", ".join(broken), columns)
    else:
        told.append("Ready to train here.")
    if any(not check.ok and not check.needed for check in checks):
        told.append("Lines with -- are good to know; training can do without.")
    return told


def _wrapped(head: str, text: str, columns: int | None) -> list[str]:
    if columns is None or columns < len(head) + 20:
        return [head + text]
    return textwrap.wrap(text, columns, initial_indent=head, subsequent_indent=" " * len(head)) or [head]
