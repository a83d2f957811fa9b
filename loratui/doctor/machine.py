"""The machine around the GPU: Python, disk, memory, limits, programs, terminal, clock."""

from __future__ import annotations

import importlib.util
import os
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from loratui import places
from loratui.doctor.check import Check, fine, note, wrong

GIB = 1 << 30
"""Memory is told in binary units, as drivers do; a disk in decimal ones, as sellers do."""
GB = 10**9
OLDEST_PYTHON = (3, 11)
OWN_PACKAGES = ("click", "msgspec", "textual", "tomli_w", "PIL", "pynvml")

DISK_NEEDED = 15 * GB
"""A base model of SDXL's size (7 GB), the cached latents, ten LoRA files with states."""
MEMORY_NEEDED = 8 * GIB
"""Training SD 1.5 took 6.5 GB of RAM at its peak (sd-scripts, fp32, latents cached)."""
SHARED_NEEDED = GIB
"""Docker gives 64 MiB unless told otherwise; workers that load pictures die of it."""
FILES_NEEDED = 4096
_BUILT = 1_795_000_000
"""Unix time of November 2026: a clock before it is wrong."""


def python() -> Iterator[Check]:
    """The Python this runs in, and loratui's own packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    where = f"{version} at {sys.executable}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        needed = ".".join(map(str, OLDEST_PYTHON))
        yield wrong("python", f"{where} is too old", f"loratui needs {needed} or newer; try: python{needed}")
    else:
        yield fine("python", where)
    missing = [name for name in OWN_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        yield wrong(
            "loratui",
            f"not installed here (missing: {', '.join(missing)})",
            f"In the source's folder: {sys.executable} -m pip install .",
        )
    else:
        yield fine("loratui", f"installed at {Path(__file__).parents[1]}")


def disk(environment: Mapping[str, str] = os.environ) -> Check:
    """Room at loratui's home, and whether it outlives the machine."""
    home = places.home()
    place = home
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        room = os.statvfs(str(place))
    except OSError as error:
        return wrong("disk", f"{home} cannot be looked at: {error.strerror}", _another_home())
    free = room.f_bavail * room.f_frsize
    detail = f"{free / GB:.1f} GB free at {home}{_survives(home, environment)}"
    if not os.access(str(place), os.W_OK | os.X_OK):
        return wrong("disk", f"{place} cannot be written to", _another_home())
    if room.f_files and room.f_favail < 10_000:
        return wrong("disk", f"{detail}, but only {room.f_favail} more files fit", _another_home())
    if free < DISK_NEEDED:
        return wrong(
            "disk",
            detail,
            f"Free {(DISK_NEEDED - free) / GB:.0f} GB (loratui runs shows old runs), or: {_another_home()}",
        )
    return fine("disk", detail)


def _another_home() -> str:
    return "Set LORATUI_HOME to a folder on a larger disk."


def _survives(home: Path, environment: Mapping[str, str]) -> str:
    """On rented machines only what is on the volume outlives a stop (RunPod: /workspace)."""
    if "RUNPOD_POD_ID" in environment:
        kept = Path("/workspace") in home.parents
        return ", kept when the pod stops" if kept else ", LOST when the pod stops (not below /workspace)"
    if "VAST_CONTAINERLABEL" in environment:
        return ", kept when the instance stops, gone when it is destroyed"
    return ""


def shared_memory(path: Path = Path("/dev/shm")) -> Check:
    """Where worker processes hand pictures over."""
    try:
        size = os.statvfs(str(path))
    except OSError:
        return note("shm", f"there is no {path}", "Set max_data_loader_n_workers = 0 under [kohya].")
    total = size.f_blocks * size.f_frsize
    detail = f"{path}: {total / GIB:.2f} GiB"
    if total < SHARED_NEEDED:
        return note(
            "shm",
            f"{detail} is little for processes that load pictures",
            "Start the container with --shm-size=8g, or set max_data_loader_n_workers = 0 under [kohya].",
        )
    return fine("shm", detail)


def memory(root: Path = Path("/")) -> Check:
    """What this container may use, which is often less than the machine has."""
    total, available = _meminfo(root / "proc/meminfo")
    limit, used = cgroup_memory(root)
    if limit is not None and (total is None or limit < total):
        detail = f"{limit / GIB:.1f} GiB is this container's limit, {(limit - used) / GIB:.1f} GiB free"
        free = limit - used
    elif total is not None and available is not None:
        detail, free = f"{total / GIB:.1f} GiB, {available / GIB:.1f} GiB free", available
    else:
        return note("memory", "it cannot be read here", "Look at it with: free -g")
    if free < MEMORY_NEEDED:
        return note(
            "memory",
            detail,
            "Stable Diffusion takes 6 to 8 GiB, larger models more: close programs, or take more RAM.",
        )
    return fine("memory", detail)


def _meminfo(path: Path) -> tuple[int | None, int | None]:
    """Total and available bytes (proc_meminfo(5))."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None, None
    values = {line.partition(":")[0]: line.split()[1] for line in lines if len(line.split()) > 1}
    found = [values.get(name, "") for name in ("MemTotal", "MemAvailable")]
    total, available = (int(text) << 10 if text.isdigit() else None for text in found)
    return total, available


def cgroup_memory(root: Path = Path("/")) -> tuple[int | None, int]:
    """Limit and use in bytes, of the tightest cgroup around this process; None without a limit (Linux,
    Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst)."""
    tightest: tuple[int | None, int] = (None, 0)
    for folder, limit_name, used_name in _cgroup_folders(root):
        limit, used = _bytes(folder / limit_name), _bytes(folder / used_name)
        if limit is not None and limit < 1 << 60 and (tightest[0] is None or limit < tightest[0]):
            tightest = (limit, used or 0)
    return tightest


def _cgroup_folders(root: Path) -> Iterator[tuple[Path, str, str]]:
    two, one = root / "sys/fs/cgroup", root / "sys/fs/cgroup/memory"
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        inner = Path(path.lstrip("/"))
        if controllers == "":
            for folder in (inner, *inner.parents):
                yield two / folder, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            for folder in (inner, *inner.parents):
                yield one / folder, "memory.limit_in_bytes", "memory.usage_in_bytes"
    yield two, "memory.max", "memory.current"
    yield one, "memory.limit_in_bytes", "memory.usage_in_bytes"


def _bytes(path: Path) -> int | None:
    try:
        text = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return None
    return int(text) if text.isdigit() else None


def open_files() -> Check:
    """How many files a process may hold open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    detail = "no limit" if soft == resource.RLIM_INFINITY else f"{soft} open files"
    if soft != resource.RLIM_INFINITY and soft < FILES_NEEDED:
        allowed = hard == resource.RLIM_INFINITY or hard >= FILES_NEEDED
        way = "ulimit -n 65535" if allowed else "Start the container with --ulimit nofile=65535"
        return note(
            "files", f"{detail} at most: many loader workers may need more", f"{way}, then try again."
        )
    return fine("files", detail)


def programs() -> Iterator[Check]:
    """What ``loratui setup kohya`` calls."""
    if shutil.which("git") is None:
        yield note(
            "git", "not found; sd-scripts is fetched with it", "apt-get update && apt-get install -y git"
        )
    else:
        yield fine("git", str(shutil.which("git")))
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = ".".join(map(str, sys.version_info[:2]))
        yield note(
            "venv",
            "this Python cannot make virtual environments",
            f"apt-get update && apt-get install -y python{version}-venv",
        )
    else:
        yield fine("venv", "virtual environments can be made")


def terminal(environment: Mapping[str, str] = os.environ) -> Check:
    """Whether the screens will look right, and outlive the connection."""
    term = environment.get("TERM", "")
    where = "tmux" if "TMUX" in environment else "screen" if "STY" in environment else ""
    charset = next(
        (environment[name] for name in ("LC_ALL", "LC_CTYPE", "LANG") if environment.get(name)), ""
    )
    if not term or term == "dumb":
        return note("terminal", f"TERM is {term or 'not set'}", "export TERM=xterm-256color")
    if "utf-8" not in charset.lower() and "utf8" not in charset.lower():
        return note(
            "terminal",
            f"{term}, and the locale ({charset or 'none'}) is not UTF-8: plain signs are drawn",
            "export LANG=C.UTF-8",
        )
    if where:
        return fine("terminal", f"{term} in {where}")
    about = "runs go on without a connection; tmux keeps the screens too"
    return fine("terminal", f"{term} ({about}{'' if shutil.which('tmux') else ', and is not installed'})")


def clock(server_time: float | None) -> Check:
    """A clock that is off breaks secure connections and the order of runs. ``server_time`` is Unix time by
    the hub, where it could be asked."""
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now))
    way = "Set it: date -u -s 'YYYY-MM-DD hh:mm:ss' as root, or restart the machine."
    if server_time is not None and abs(server_time - now) > 120:
        off = now - server_time
        return wrong("clock", f"{shown} is {abs(off):.0f} s {'ahead' if off > 0 else 'behind'}", way)
    if now < _BUILT:
        return wrong("clock", f"{shown} is in the past", way)
    return fine("clock", shown if server_time is None else f"{shown}, as the hub has it")
