"""Looks at one Python's libraries from inside. Run as text by that Python, whichever it is:

``PYTHON -c SOURCE CHECKOUT STAGE... -- PACKAGE...``

One JSON line for each stage, written at once: a stage may end the process (a broken binary package does), and
what was found before it counts.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def say(stage: str, **found: object) -> None:
    found["stage"] = stage
    sys.stdout.write("\n@" + json.dumps(found) + "\n")
    sys.stdout.flush()


def reason(error: BaseException) -> str:
    """The exception that began it: 'Could not import module' hides an operator that does not exist."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [""]
    return type(error).__name__ + (": " + lines[0][:300] if lines[0] else "")


def packages(names: list[str]) -> None:
    from importlib import metadata

    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except Exception:  # damaged metadata says as little as none
            continue
    say("packages", versions=found, python=".".join(map(str, sys.version_info[:3])), folders=sys.path)


def torch_stage() -> bool:
    import torch

    found: dict[str, Any] = {
        "version": str(torch.__version__),
        "cuda": getattr(torch.version, "cuda", None),
        "hip": getattr(torch.version, "hip", None),
        "folder": torch.__path__[0],
        "available": False,
        "devices": [],
        "codes": [],
        "why": "",
    }
    if found["cuda"] or found["hip"]:
        try:
            torch.cuda.init()  # type: ignore[no-untyped-call, unused-ignore]
            found["available"] = torch.cuda.is_available()
            found["codes"] = list(torch.cuda.get_arch_list())
            for index in range(torch.cuda.device_count()):
                name = torch.cuda.get_device_name(index)
                found["devices"].append([name, list(torch.cuda.get_device_capability(index))])
        except Exception as error:  # the driver's, in whatever class torch has for it
            found["why"] = reason(error)
    say("torch", **found)
    return bool(found["available"])


def matmul(available: bool) -> None:
    """The same product on each device and on the CPU."""
    import torch

    torch.manual_seed(0)
    left, right = torch.randn(256, 256), torch.randn(256, 256)
    expected = left @ right
    devices = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if available else ["cpu"]
    start = time.time()
    for device in devices:
        product = (left.to(device) @ right.to(device)).cpu()
        worst = float((product - expected).abs().max())
        if not worst < 1.0:
            say("matmul", device=device, error=f"the product is off by {worst:g}")
            return
    say("matmul", device=devices[0], count=len(devices), seconds=time.time() - start)


def module(name: str) -> None:
    __import__(name)
    found = sys.modules[name]
    say(name, version=str(getattr(found, "__version__", "")))


def main() -> None:
    checkout, rest = sys.argv[1], sys.argv[2:]
    split = rest.index("--")
    stages, names = rest[:split], rest[split + 1 :]
    available = False
    packages(names)
    for stage in stages:
        try:
            if stage == "torch":
                available = torch_stage()
            elif stage == "matmul":
                matmul(available)
            else:
                if stage.startswith("library."):
                    sys.path.insert(0, checkout)
                module(stage)
        except BaseException as error:
            say(stage, error=reason(error))
            if stage == "torch":
                return


main()
