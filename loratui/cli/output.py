"""How commands speak: data to standard output, narration to standard error."""

from __future__ import annotations

import errno
import io
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from loratui import places
from loratui.problems import Problem, UserError

_STARTED = time.time()

_REORDERING = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Marks that make text read in another order than it stands (UAX 9)."""
_CONTROLS = {code: None for code in [*range(0x20), *range(0x7F, 0xA0), *_REORDERING] if code != 0x0A}


def plain(text: str) -> str:
    """Text from outside without control bytes, which a terminal would obey, and with the bytes of a
    file name that is no UTF-8 written as ``\\udcXX``."""
    return text.translate(_CONTROLS).encode("utf-8", "backslashreplace").decode()


def say(line: str) -> None:
    """A line of narration."""
    print(plain(line), file=sys.stderr, flush=True)


def data(line: str) -> None:
    """A line of data."""
    print(plain(line), flush=True)


def print_json(values: Mapping[str, Any]) -> None:
    """One JSON object, indented, for programs and for eyes."""
    encoded = msgspec.json.encode(_encodable(values))
    print(msgspec.json.format(encoded, indent=2).decode(), flush=True)


def _encodable(value: Any) -> Any:
    """The same values with every text in valid UTF-8."""
    match value:
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case Mapping():
            return {_encodable(key): _encodable(item) for key, item in value.items()}
        case list() | tuple():
            return [_encodable(item) for item in value]
        case _:
            return value


@contextmanager
def no_tracebacks() -> Iterator[None]:
    """End the process with a sentence instead of a traceback: exit code 1 for what a person can mend
    and for faults of ours, whose details go to a file."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        yield
    except KeyboardInterrupt:
        sys.exit(130)
    except UserError as error:
        fail(error)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        fail(
            UserError(str(error.filename or ""), Problem("", f"{error.strerror or error}.", _way_out(error)))
        )
    except Exception as error:
        fail(_unexpected(error))


def _way_out(error: OSError) -> str:
    """What to do about the commonest refusals of a system."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return "Check the path."
        case errno.EACCES | errno.EPERM:
            return "It belongs to somebody else, or may not be read: check its owner and permissions (ls -l)."
        case errno.ENOSPC | errno.EDQUOT:
            return "Free some of the disk, or put LORATUI_HOME on another one."
        case errno.EROFS:
            return "Put it, or LORATUI_HOME, where files may be written."
        case _:
            return ""


def _is_other_code() -> bool:
    """Whether loratui's own files were written after this process began."""
    files = Path(__file__).parents[1].rglob("*.py")
    with suppress(OSError):
        return any(file.stat().st_mtime > _STARTED for file in files)
    return True


def _unexpected(error: Exception) -> UserError:
    if isinstance(error, ImportError) and _is_other_code():
        words = "loratui itself was updated or moved while this window was open."
        return UserError("", Problem("", words, "Runs go on. Start it again: loratui"))
    report = places.home() / "error.log"
    with suppress(OSError):
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text("".join(traceback.format_exception(error)), encoding="utf-8")
    return UserError(
        "",
        Problem(
            "",
            f"something went wrong inside loratui ({type(error).__name__}: {error}).",
            f"Runs are not touched by it. The details are in {report}; please report them.",
        ),
    )


def fail(error: UserError) -> NoReturn:
    """Say what is wrong and end with exit code 1."""
    if "--json" in sys.argv:
        print_json(
            {
                "verdict": "refused",
                "source": error.source,
                "problems": [
                    {"key": problem.key, "message": problem.message, "fix": problem.fix}
                    for problem in error.problems
                ],
            }
        )
    for line in str(error).splitlines():
        say(f"loratui: {line}")
    sys.exit(1)
