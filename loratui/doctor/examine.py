"""All checks, in the order a person reads them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from loratui import kohya_checkout
from loratui.doctor import gpus, hub, libraries, machine, probing, requirements
from loratui.doctor.check import Check
from loratui.doctor.probing import Libraries
from loratui.kohya_checkout import Checkout

BUILTIN_STAGES = ("torch", "matmul", "torchvision")
KOHYA_STAGES = ("torch", "matmul", "torchvision", "cv2", "bitsandbytes", "library.train_util")

_ENGINES = ("builtin", "kohya")
_SPOILERS = ("kohya.python", "kohya.requirements", "kohya.torch", "kohya.torchvision", "kohya.opencv",
             "kohya.scripts", "kohya.matmul")  # fmt: skip
"""Checks without which no run of sd-scripts comes to its first step."""


def examine(progress: Callable[[str], None] = lambda line: None) -> list[Check]:
    """Look at everything. Takes as long as importing torch does, once for each engine; both are asked at
    once. What is wrong with the kohya engine is remembered for its status."""
    checkout = kohya_checkout.find()
    checks = [*machine.python()]
    with ThreadPoolExecutor(max_workers=3) as pool:
        hub_answer = pool.submit(hub.reach)
        driver = pool.submit(gpus.look)
        progress(f"asking the libraries of {sys.executable}")
        own = pool.submit(probing.look, Path(sys.executable), BUILTIN_STAGES)
        if checkout.exists and checkout.python is not None:
            progress(f"asking the libraries of {checkout.python}")
            theirs = look_at_kohya(checkout)
        else:
            theirs = None
        found = driver.result()
        checks += gpus.checks(found)
        checks += libraries.builtin(own.result(), found)
        checks += libraries.kohya(checkout, theirs, found)
        checks += [machine.disk(), machine.shared_memory(), machine.memory(), machine.open_files()]
        reached, server_time = hub_answer.result()
        checks += [reached, hub.token(), machine.clock(server_time)]
    checks += [*machine.programs(), machine.terminal(), _trainers(checks)]
    if theirs is not None:
        remember(checkout, checks)
    return checks


def look_at_kohya(checkout: Checkout) -> Libraries:
    """What the checkout's Python has. Raises nothing; ``checkout.python`` must be there."""
    assert checkout.python is not None
    names = [*probing.PACKAGES, *requirements.packages(checkout.folder / "requirements.txt")]
    return probing.look(checkout.python, KOHYA_STAGES, names, checkout.folder)


def remember(checkout: Checkout, checks: list[Check]) -> None:
    """Keep what stops the kohya engine, so that its status says so before a run is started."""
    trouble = next(
        (check for check in checks if check.name in _SPOILERS and check.needed and not check.ok), None
    )
    detail, fix = (trouble.detail, trouble.fix) if trouble else ("", "")
    kohya_checkout.remember_trouble(checkout, detail, fix)


def _trainers(checks: list[Check]) -> Check:
    """Which engines could train here."""
    bad = {check.name.partition(".")[0] for check in checks if not check.ok and check.needed}
    absent = {check.name for check in checks if not check.ok and check.name in _ENGINES}
    ready = [name for name in _ENGINES if name not in bad | absent]
    if not ready:
        return Check("engines", False, "neither engine is ready", "Mend builtin or kohya above.")
    return Check("engines", True, f"ready: {' and '.join(ready)}")
