"""What loratui costs a terminal, beside a minimal Textual app in the same run.

    python benchmarks/terminal.py [--repeat 7]

Programs run in a pseudo-terminal of 100x30 in turn, A B A B, so that a machine whose speed drifts
does not favour either. First frame: from the start to the moment when 90 % of the cells are as on the
settled screen. Prints medians and the ratio of medians; bytes are what a link has to carry.
"""

from __future__ import annotations

import argparse
import os
import pty
import resource
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass
from fcntl import ioctl
from pathlib import Path

import psutil
import pyte

COLUMNS, ROWS = 100, 30
SILENCE_SECONDS = 0.6
IDLE_SECONDS = 3.0
MINIMAL_APP = """
from textual.app import App
from textual.widgets import Footer, Input, Static

class Minimal(App):
    def compose(self):
        field = Input(placeholder="type here")
        field.cursor_blink = False
        yield Static("a minimal Textual app with one field and a footer")
        yield field
        yield Footer()

Minimal().run()
"""


@dataclass(frozen=True)
class Start:
    """One start of a program, from outside."""

    first_frame: float
    """Seconds until 90 % of the settled screen's cells are right."""
    cpu: float
    """CPU seconds of the process until it settled."""
    bytes_sent: int
    idle_bytes_per_second: float
    megabytes: float
    """Resident memory, settled, in MiB."""


def measure(command: list[str], environment: dict[str, str]) -> Start:
    """Start a program, wait until it is silent, watch it idle, and kill it."""
    began = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # installed programs have their bytecode
        os.environ.update(environment, TERM="xterm-256color", COLORTERM="truecolor", LANG="C.UTF-8")
        os.execvp(command[0], command)
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    chunks = _read_until_silent(terminal, began)
    process = psutil.Process(pid)
    times = process.cpu_times()
    cpu, memory = times.user + times.system, process.memory_info().rss / 2**20
    idle = sum(len(data) for _, data in _read(terminal, time.perf_counter(), IDLE_SECONDS))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(terminal)
    sent = sum(len(data) for _, data in chunks)
    return Start(_frame_time(chunks), cpu, sent, idle / IDLE_SECONDS, memory)


def _read(terminal: int, began: float, seconds: float) -> list[tuple[float, bytes]]:
    chunks, deadline = [], time.perf_counter() + seconds
    while (left := deadline - time.perf_counter()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                chunks.append((time.perf_counter() - began, os.read(terminal, 65536)))
            except OSError:
                break
    return chunks


def _read_until_silent(terminal: int, began: float) -> list[tuple[float, bytes]]:
    chunks: list[tuple[float, bytes]] = []
    while time.perf_counter() - began < 30:
        more = _read(terminal, began, SILENCE_SECONDS)
        chunks += more
        if chunks and not more:
            return chunks
    return chunks


def _frame_time(chunks: list[tuple[float, bytes]]) -> float:
    frames = []
    screen = pyte.Screen(COLUMNS, ROWS)
    stream = pyte.ByteStream(screen)
    for at, data in chunks:
        stream.feed(data)
        frames.append((at, "".join(screen.display)))
    settled = frames[-1][1]
    for at, frame in frames:
        same = sum(a == b for a, b in zip(frame, settled, strict=True))
        if frame.strip() and same >= 0.9 * len(settled):
            return at
    return frames[-1][0]


def help_cpu() -> float:
    """CPU seconds of ``loratui --help``, the least of five."""
    best = float("inf")
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "loratui", "--help"], stdout=subprocess.DEVNULL, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=7)
    repeat = parser.parse_args().repeat
    with tempfile.TemporaryDirectory() as folder:
        minimal = Path(folder) / "minimal.py"
        minimal.write_text(MINIMAL_APP)
        programs = {
            "minimal Textual app": [sys.executable, str(minimal)],
            "loratui, empty home": [sys.executable, "-m", "loratui"],
        }
        starts: dict[str, list[Start]] = {name: [] for name in programs}
        for turn in range(repeat + 1):
            for name, command in programs.items():
                start = measure(command, {"LORATUI_HOME": str(Path(folder) / f"home{turn}")})
                if turn:  # the first turn warms the file cache
                    starts[name].append(start)
    print(f"{'median of ' + str(repeat):<22} first frame s   start CPU s   first bytes   idle B/s   RSS MiB")
    rows = {}
    for name, measured in starts.items():
        row = [
            statistics.median(getattr(start, field) for start in measured)
            for field in ("first_frame", "cpu", "bytes_sent", "idle_bytes_per_second", "megabytes")
        ]
        rows[name] = row
        print(f"{name:<22} {row[0]:13.3f} {row[1]:13.3f} {row[2]:13,.0f} {row[3]:10.0f} {row[4]:9.0f}")
    ours, floor = rows["loratui, empty home"], rows["minimal Textual app"]
    print(f"{'ratio':<22} {ours[0] / floor[0]:13.2f} {ours[1] / floor[1]:13.2f}")
    print(f"loratui --help: {help_cpu():.3f} s of CPU")


if __name__ == "__main__":
    main()
