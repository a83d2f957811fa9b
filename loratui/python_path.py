"""Where Python looks for modules: nothing of the person's stands in the way of its own.

A ``logging.py`` in the current folder or on PYTHONPATH is imported in place of Python's (docs.python.org,
"The initialization of the sys.path module search path"), by us and by every trainer. Imports nothing that
could be one of them.
"""

from __future__ import annotations

import os
import sys

_MEANT = frozenset({"test", "this", "antigravity", "turtle"})
"""Names of Python's own that nothing needs: a package ``test`` on PYTHONPATH is common, and harms nobody."""
_PACKAGES = ("site-packages", "dist-packages")


def clear() -> list[str]:
    """Take folders that hold such a file out of PYTHONPATH, for all that is started from here, and look there
    last ourselves. Returns one sentence for each such folder."""
    named = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    here = os.getcwd() if os.path.isdir(".") else ""  # noqa: PTH109, PTH112 - pathlib imports a dozen modules
    if sys.path and sys.path[0] in ("", here) and not sys.flags.safe_path:
        sys.path.append(sys.path.pop(0))  # python -m loratui
    found = {folder: in_the_way(folder) for folder in dict.fromkeys(named)}
    harmful = [folder for folder, files in found.items() if files]
    if not harmful:
        return []
    sys.path.sort(key=lambda folder: folder in harmful)
    os.environ["PYTHONPATH"] = os.pathsep.join(folder for folder in named if folder not in harmful)
    return [
        f"{folder} is on PYTHONPATH, and its {', '.join(found[folder])} would be taken for Python's own or"
        " an installed package. This folder is left out; rename the file to have it back."
        for folder in harmful
    ]


def in_the_way(folder: str) -> list[str]:
    """Files of a folder that would be imported in place of Python's own modules, and single files in place
    of an installed package."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208
    except OSError:
        return []
    if os.path.basename(folder.rstrip("/")) in _PACKAGES:  # noqa: PTH119
        return []  # a whole environment, meant as such
    return [name for name in names if _is_in_the_way(folder, name)]


def _is_in_the_way(folder: str, name: str) -> bool:
    stem, dot, suffix = name.partition(".")
    if suffix == "py":
        return (stem in sys.stdlib_module_names and stem not in _MEANT) or _is_installed(stem)
    is_package = not dot and os.path.isfile(f"{folder}/{name}/__init__.py")  # noqa: PTH113
    return is_package and name in sys.stdlib_module_names and name not in _MEANT


def _is_installed(stem: str) -> bool:
    """Whether a package, a folder, of this name is installed."""
    places = (place for place in sys.path if place.rstrip("/").endswith(_PACKAGES))
    return any(os.path.isfile(f"{place}/{stem}/__init__.py") for place in places)  # noqa: PTH113


def own(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours in a process of its own, without a look at the current
    folder."""
    return [sys.executable, "-P", "-m", module, *arguments]
