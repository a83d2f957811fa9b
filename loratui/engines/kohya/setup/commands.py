"""Running git, pip and Python for setup: all output into a log, what shows progress to the person."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from loratui import places
from loratui.problems import Problem, UserError

Say = Callable[[str], None]

SILENCE = 30.0
"""Seconds without a word after which the person is told that it goes on."""
_SHOWN = re.compile(
    r"\s*(Collecting [^\s(]+|Downloading .*\d [MG]B\)|Building wheel for \S+|Installing collected packages"
    r"|Receiving objects:.*)"
)
"""What of pip's and git's talk is worth a line."""
_LONGEST = 76
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "PIP_NO_INPUT": "1",
    "PIP_USER": "0",
    "PIP_PROGRESS_BAR": "off",
    "PYTHONUNBUFFERED": "1",
    "PYTHONUTF8": "1",
}
_NO_NETWORK = (
    "Could not resolve host|name resolution|Failed to establish a new connection|Connection refused"
    "|Network is unreachable|timed out|unable to access|NewConnectionError|Connection reset"
)
_REASONS = (
    ("No space left on device", "The disk is full.", "Free some space, or set LORATUI_HOME to another disk."),
    ("Disk quota exceeded", "The disk quota is used up.", "Set LORATUI_HOME to another disk."),
    (_NO_NETWORK, "The network did not answer.", "Check the connection (and proxy)."),
    ("", "", "Mend what it says."),
)
"""What the output of a command that failed tells: pattern, meaning, way out. The last one fits all."""


def log_path() -> Path:
    """Where all output of setup's commands goes."""
    return places.home() / "kohya-setup.log"


class Runner:
    """Runs commands one after another."""

    def __init__(self, say: Say) -> None:
        self.say = say

    def run(
        self,
        step: str,
        argv: Sequence[str],
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Run to the end. Raises ``UserError`` that names the step, the last words and the way out."""
        code, tail = self._run(argv, cwd, env)
        if code:
            raise _failed(step, argv, code, tail)

    def succeeds(self, argv: Sequence[str], cwd: Path | None = None) -> bool:
        """Run to the end; whether the exit code was 0."""
        return self._run(argv, cwd, None)[0] == 0

    def output(self, argv: Sequence[str], cwd: Path | None = None) -> str:
        """What a short command prints; empty when it fails."""
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=_environment({}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() if done.returncode == 0 else ""

    def _run(
        self, argv: Sequence[str], cwd: Path | None, env: Mapping[str, str] | None
    ) -> tuple[int, list[str]]:
        tail: deque[str] = deque(maxlen=40)
        start, told = time.monotonic(), ""
        log_path().parent.mkdir(parents=True, exist_ok=True)
        with log_path().open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(f"\n$ {' '.join(argv)}\n")
            log.flush()
            try:
                process = subprocess.Popen(
                    argv,
                    cwd=cwd,
                    env=_environment(env or {}),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                return 127, [f"{argv[0]}: {error.strerror}"]
            try:
                for line in _lines(process, self._still_at_it(start)):
                    log.write(line + "\n")
                    log.flush()
                    tail.append(line)
                    shown = _SHOWN.match(line)
                    if shown and shown[1] != told:
                        told = shown[1]
                        self.say(f"    {told[:_LONGEST]}")
                return process.wait(), list(tail)
            except BaseException:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
                raise

    def _still_at_it(self, start: float) -> Callable[[], None]:
        def tell() -> None:
            minutes, seconds = divmod(int(time.monotonic() - start), 60)
            self.say(f"    still at it, {minutes}:{seconds:02d}")

        return tell


def _environment(more: Mapping[str, str]) -> dict[str, str]:
    cache = {} if "PIP_CACHE_DIR" in os.environ else {"PIP_CACHE_DIR": str(pip_cache())}
    return {**os.environ, **_ENVIRONMENT, **cache, **more}


def pip_cache() -> Path:
    """Downloads, kept until the setup is whole: beside the rest, as a container's own disk is small."""
    return places.home() / "pip-cache"


def _lines(process: subprocess.Popen[bytes], silent: Callable[[], None]) -> Iterator[str]:
    """What a process prints, by newline or return; ``silent`` is called when nothing comes for a while."""
    assert process.stdout is not None
    rest = b""
    with selectors.DefaultSelector() as selector, process.stdout as stream:
        selector.register(stream, selectors.EVENT_READ)
        while True:
            if not selector.select(SILENCE):
                silent()
                continue
            data = os.read(stream.fileno(), 1 << 16)
            if not data:
                break
            *lines, rest = re.split(rb"[\r\n]+", rest + data)
            yield from (line.decode("utf-8", "replace") for line in lines if line.strip())
    if rest.strip():
        yield rest.decode("utf-8", "replace")


def _failed(step: str, argv: Sequence[str], code: int, tail: Sequence[str]) -> UserError:
    text = "\n".join(tail)
    what = " ".join(argv[:4])
    said = [line for line in tail if line.lstrip().lower().startswith(("error", "fatal"))] or list(tail)
    last = f" It said: {said[-1].strip()[:300]}" if said else ""
    _, meaning, fix = next(row for row in _REASONS if re.search(row[0], text, re.IGNORECASE))
    return UserError(
        "setup kohya",
        Problem(
            step,
            f"{what} failed (exit code {code}). {meaning}{last}".replace("  ", " "),
            f"{fix} Then run the same command again: it goes on from here. All output: {log_path()}",
        ),
    )
