"""Stops the rented machine after a run, unless a key is pressed.
``python -m loratui.runs.rental.machine_stop RUN_FOLDER``

A process of its own, which outlives the terminal and the supervisor. It stops nothing before the LoRA was
found whole on the hub or, where a person has said that this is enough, lies on a disk that outlives the stop.
Called off by any key in the screens, ``loratui keep``, a run that starts or waits, or another program on the
GPU.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from loratui import python_path
from loratui.events import ENDED, Checkpoint
from loratui.problems import UserError
from loratui.runs import lock, notify, store, uploads
from loratui.runs.detached import start_apart
from loratui.runs.files import PRIVATE_FOLDER
from loratui.runs.follow import RecordReader
from loratui.runs.hardware import gpu
from loratui.runs.layout import Run
from loratui.runs.queueing import queue_file
from loratui.runs.rental import machine_news, machine_wish, rented
from loratui.runs.rental.machine_wish import MachineSettings, When, applies, wished
from loratui.runs.rental.rented import Rented

PACE = 0.5
"""Seconds between two looks while the time runs."""
SETTLES = 5.0
"""Seconds a supervisor and its guard may take to let go of an ended run."""
GOES_DOWN_WITHIN = 240.0
"""Seconds after which a machine that still runs was not stopped, whatever its provider said."""
UPLOAD_WITHIN = 3600.0
OTHERS = 1 << 30
"""Bytes on a GPU that no run of ours holds: another program works there."""


class KeptError(Exception):
    """The machine stays on; the text says why."""


def begin(run: Run) -> None:
    """Start the process where the run's end is one to stop the machine after; its words go to machine.log of
    the run. Raises ``UserError`` for settings that do not fit."""
    settings = notify.read_settings().machine
    if not applies(wished(run, settings), store.state(run)[0]):
        return
    start_apart("loratui.runs.rental.machine_stop", str(run.folder), log=run.folder / "machine.log")


def wish(run: Run, when: When) -> None:
    """Wish it for one run; where that run is over already, the countdown begins now. Raises ``UserError``
    when it cannot be noted."""
    machine_wish.wish(run, when)
    if store.state(run)[0] in ENDED:
        begin(run)


def main(folder: str) -> int:
    """Count down and stop. 0 when the machine was stopped or kept on purpose, 1 when it could not be."""
    run = Run(Path(folder).name, Path(folder))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        machine_news.lock_path().parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        held = lock.hold(machine_news.lock_path(), patience=0.2)
    except lock.LockHeldError:
        return 0  # another run's end counts down already
    try:
        return _stop_after(run, notify.read_settings().machine)
    except KeptError as why:
        _tell(run, f"This machine stays on: {why}")
        return 0
    except (UserError, OSError) as error:
        _tell(run, f"This machine stays on, and costs: {error}")
        return 1
    finally:
        os.close(held)


def _stop_after(run: Run, settings: MachineSettings) -> int:
    _settle(run)
    machine = rented.this()
    if machine is None:
        raise KeptError("it is neither a RunPod pod nor a vast.ai instance that could be stopped from here.")
    reason = _busy(run)
    if reason:
        print(f"{reason} Its end decides.", flush=True)
        return 0
    safe = _secured(run, settings, machine)
    deadline = time.monotonic() + settings.minutes * 60
    stop = machine_news.Pending(run.id, machine.provider, time.time() + settings.minutes * 60)
    machine_news.announce(stop)
    _tell(
        run,
        f"This machine stops at {stop.clock} unless a key is pressed (loratui keep). {safe} {machine.kept}",
    )
    while time.monotonic() < deadline:
        _still_wanted(run)
        time.sleep(min(PACE, max(0.0, deadline - time.monotonic())))
    if not machine_news.claim():
        raise KeptError("a key was pressed.")
    reason = _busy(run)  # nobody can call it off from here on
    if reason:
        raise KeptError(reason)
    return _stop(run, machine)


def _settle(run: Run) -> None:
    """Wait until the run has let go of its locks and of the GPU."""
    deadline = time.monotonic() + SETTLES
    while (store.is_kept(run) or store.state(run)[0] not in ENDED) and time.monotonic() < deadline:
        time.sleep(0.1)


def _still_wanted(run: Run) -> None:
    """Raises ``KeptError`` once something speaks against it."""
    if machine_news.is_called_off():
        raise KeptError("a key was pressed.")
    reason = _busy(run)
    if reason:
        machine_news.claim()
        raise KeptError(reason)


def _busy(run: Run) -> str:
    """Who else needs the machine; empty when nobody does."""
    if store.state(run)[0] not in ENDED:
        return f"{run.id} goes on."
    for other in store.all_runs():
        state, _ = store.state(other)
        if other.id != run.id and state not in (*ENDED, "queued"):
            return f"{other.id} is {state}."
    waiting = queue_file.read().ready
    if waiting:
        return f"{waiting[0]} waits in the queue."
    used = max((one.used_bytes for one in gpu.sample().gpus), default=0)
    if used > OTHERS:
        return f"another program holds {used / 2**30:.1f} GiB of the GPU."
    return ""


def _secured(run: Run, settings: MachineSettings, machine: Rented) -> str:
    """Where the LoRA is safe, as a sentence. Raises ``KeptError`` when it is not."""
    file = _newest_file(run)
    if file is not None:
        if settings.upload and uploads.of(file) is None:
            _upload(run, file, settings.upload)
        sent = uploads.of(file)
        if sent is not None:
            return f"{file.name} is safe in {sent.repo}, every byte of it checked."
        if not settings.without_upload:
            raise KeptError(
                f"{file.name} was not sent anywhere. Send it (loratui lora upload), name a place for it in"
                " notify.toml ([machine] upload), or allow a stop without it (without_upload = true)."
            )
    if not machine.keeps(file or run.folder):
        raise KeptError(f"{file or run.folder} is on a disk that the stop would wipe.")
    return f"{file or run.folder} stays on this machine's disk, which outlives the stop."


def _newest_file(run: Run) -> Path | None:
    """The final LoRA, else the last checkpoint; None when the run has left none."""
    status = store.read_status(run)
    named = [status.final_file] if status and status.final_file else []
    named += [
        record.event.path
        for record in reversed(list(RecordReader(run.events).poll()))
        if isinstance(record.event, Checkpoint)
    ]
    return next((path for name in named if (path := run.folder / name).is_file()), None)


def _upload(run: Run, file: Path, repo: str) -> None:
    """Send it as ``loratui lora upload`` does. Raises ``KeptError`` when it did not arrive whole."""
    command = ["lora", "upload", str(file), "--repo", repo, "--run", run.id, "--update", "--yes", "--json"]
    print(f"sends {file.name} to {repo}", flush=True)
    try:
        done = subprocess.run(
            python_path.own("loratui", *command),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=UPLOAD_WITHIN,
            check=False,
        )
        verified = json.loads(done.stdout).get("verified") is True
    except (OSError, subprocess.TimeoutExpired, ValueError):
        verified, done = False, None
    if not verified:
        words = done.stderr.strip().splitlines()[-1:] if done else []
        raise KeptError(f"{file.name} could not be sent to {repo}. {' '.join(words)}".strip())


def _stop(run: Run, machine: Rented) -> int:
    trouble = rented.stop(machine)
    if trouble:
        _tell(run, f"{machine.provider} did not stop this machine, and it costs: {trouble}.")
        return 1
    print(f"{machine.provider} was asked to stop this machine, and agreed.", flush=True)
    time.sleep(float(os.environ.get("LORATUI_STOP_WITHIN", GOES_DOWN_WITHIN)))
    _tell(run, f"{machine.provider} agreed to stop this machine, yet it still runs, and costs.")
    return 1


def _tell(run: Run, words: str, log: Callable[[str], None] = print) -> None:
    """Say it in the log, and to whom notify.toml names."""
    log(f"{time.strftime('%F %T')} {words}")
    try:
        about = store.summary(run)
        notify.send_all(run, log, f"{about.name}: {words}")
    except UserError as error:
        log(str(error))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
