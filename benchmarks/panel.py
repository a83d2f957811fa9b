"""What the training panel costs while a run goes on, while its log floods, and when it is opened often.

    python benchmarks/panel.py [--seconds 60] [--attach 200]

A run that this script feeds (a step a second; in the second half 1,000 log lines a second besides), seen in
a pseudo-terminal of 100x30. Prints bytes a second, memory at both ends, whether every event was taken in, and
how often the run could be opened and left without harm.
"""

from __future__ import annotations

import argparse
import os
import pty
import random
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from fcntl import ioctl
from pathlib import Path

import psutil

from loratui import demo, events
from loratui.runs import layout, lock, store
from loratui.runs.follow import RunFollower

COLUMNS, ROWS = 100, 30
LINES_A_SECOND = 1000
TOTAL = 100_000


class Feed:
    """A run that goes on for as long as it is wanted."""

    def __init__(self) -> None:
        self.run = store.create(demo.recipe(), "builtin", TOTAL)
        self._held = lock.hold(self.run.lock)
        layout.write_status(self.run, layout.Status("running", total_steps=TOTAL))
        self._events = self.run.events.open("ab")
        self._log = self.run.output.open("ab")
        self._number = 0
        self.step = 0
        self.flooding = False
        self._over = threading.Event()
        self.put(events.StateChanged("running"))
        self.put(events.Planned(TOTAL, epochs=1000, images=80, batches_per_epoch=100))
        for _ in range(500):
            self._one_step()
        self._thread = threading.Thread(target=self._go, daemon=True)
        self._thread.start()

    def put(self, event: events.AnyEvent) -> None:
        """Append one event as the supervisor would."""
        self._number += 1
        record = events.Record(self._number, time.time(), time.monotonic(), event)
        self._events.write(events.encode(record) + b"\n")
        self._events.flush()

    def _one_step(self) -> None:
        self.step += 1
        loss = 0.5 + random.uniform(-0.08, 0.08)
        rates = {"unet": 1e-4}
        self.put(events.Step(self.step, loss, None, 1 + self.step // 100, rates, random.random(), 1.0))

    def _go(self) -> None:
        while not self._over.wait(0.1):
            for number in range(LINES_A_SECOND // 10 if self.flooding else 0):
                self._log.write(f"{time.monotonic():.4f} INFO line {number} of a log that floods\n".encode())
            self._log.flush()
            if self._number and time.monotonic() % 1 < 0.1:
                self._one_step()

    def end(self) -> None:
        """Stop feeding."""
        self._over.set()
        self._thread.join()


def watch(home: Path, seconds: float, feed: Feed) -> None:
    """Open the panel in a terminal, and print what it costs in both halves."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(LORATUI_HOME=str(home), TERM="xterm-256color", LANG="C.UTF-8")
        os.execvp(sys.executable, [sys.executable, "-m", "loratui"])
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    process = psutil.Process(pid)
    first = count(terminal, 5.0)
    print(f"opening        {first:9,} bytes   {memory(process):5.1f} MiB")
    for name, flooding in (("a step a second", False), ("log floods", True)):
        feed.flooding = flooding
        before, cpu = memory(process), sum(process.cpu_times()[:2])
        sent = count(terminal, seconds / 2)
        used = (sum(process.cpu_times()[:2]) - cpu) / (seconds / 2)
        print(
            f"{name:<14} {sent / (seconds / 2):9,.0f} bytes/s {memory(process):5.1f} MiB"
            f" ({memory(process) - before:+.1f})   {used:.1%} of a core"
        )
    feed.flooding = False
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    os.close(terminal)


def count(terminal: int, seconds: float) -> int:
    """Bytes that come within so many seconds."""
    sent, deadline = 0, time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            sent += len(os.read(terminal, 65536))
    return sent


def memory(process: psutil.Process) -> float:
    """Resident MiB."""
    return float(process.memory_info().rss) / 2**20


def attach(home: Path, times: int, run_id: str) -> int:
    """Open the run in plain lines and leave it by SIGINT, so often. Returns how often that went well."""
    well = 0
    environment = os.environ | {"LORATUI_HOME": str(home)}
    for _ in range(times):
        command = [sys.executable, "-m", "loratui", "attach", run_id]
        follower = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert follower.stdout is not None
        follower.stdout.readline()
        follower.send_signal(signal.SIGINT)
        follower.stdout.read()
        well += follower.wait(20) >= 0
    return well


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--attach", type=int, default=200)
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell has it ignored
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LORATUI_HOME"] = folder
        feed = Feed()
        watch(Path(folder), arguments.seconds, feed)
        well = attach(Path(folder), arguments.attach, feed.run.id)
        feed.end()
        view = RunFollower(feed.run).poll()
        print(f"attached and left {well} of {arguments.attach} times; the run is {view.state}")
        print(f"events lost: {feed.step - view.step}")


if __name__ == "__main__":
    main()
