"""A SkyPilot task that rents the machine, carries the files there and trains: one YAML text, by the fields of
https://docs.skypilot.co/en/latest/reference/yaml-spec.html (SkyPilot 0.14)."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui.places import expanded
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe, change, dumps, flatten

FOLDER = "~/loratui-data"
"""Where the files lie on the rented machine; also what comes out, in ``out``."""

GPUS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (22, ("RTX4090", "L4", "A10G")),
    (44, ("L40S", "A40", "A6000")),
    (76, ("A100-80GB", "H100")),
)
"""GiB that a training may take, and SkyPilot's names of GPUs that have it free, to be tried in this order."""

_END = "LORATUI_RECIPE"


@dataclass(frozen=True, slots=True)
class Rental:
    """What is asked of the machine."""

    gpus: tuple[str, ...]
    """SkyPilot's names, the first choice first."""
    spot: bool = False
    disk_gib: int = 100
    autostop_minutes: int | None = None
    package: str = "loratui[train]"
    """What pip installs there."""
    token: bool = False
    """Whether a hub token is handed over, by SkyPilot and never in the file."""


def gpus_for(gib: float | None) -> tuple[str, ...]:
    """GPUs with room for that much; the largest where nothing is known or nothing suffices."""
    if gib is None:
        return GPUS[-1][1]
    return next((names for room, names in GPUS if gib <= room), GPUS[-1][1])


def task(recipe: Recipe, rental: Rental) -> str:
    """The task's YAML. Raises ``UserError`` for files that cannot travel."""
    remote, mounts = carried(recipe)
    for local in mounts.values():
        _refuse_links(Path(local))
    return "\n".join([*_head(recipe, rental, mounts), *_scripts(remote, rental), ""])


def carried(recipe: Recipe) -> tuple[Recipe, dict[str, str]]:
    """The recipe as it reads on the rented machine, and what must be carried there: remote to local path.
    Everything a recipe names that lies here is carried."""
    changes: dict[str, Any] = {}
    mounts: dict[str, str] = {}
    for key, value in flatten(recipe).items():
        if not isinstance(value, str) or not value or key == "output.folder":
            continue
        path = expanded(value)
        if path.is_absolute() and path.exists():
            name = re.sub(r"[^A-Za-z0-9._-]+", "_", path.name)
            remote = f"{FOLDER}/{key.rpartition('.')[2]}/{name}"
            changes[key], mounts[remote] = remote, str(path)
    ours = {"output.folder": None, "launch.machine_rank": 0}
    return change(recipe, {**changes, **ours}), mounts


def _refuse_links(folder: Path) -> None:
    """SkyPilot copies links as links; what they point to stays here."""
    if not folder.is_dir():
        return
    if any(path.is_symlink() for path in folder.rglob("*")):
        raise UserError(
            str(folder),
            Problem(
                "dataset.folder",
                "it holds links, and SkyPilot carries links without what they point to.",
                f"Name a copy with the files themselves: cp -rL {shlex.quote(str(folder))} COPY",
            ),
        )


def _head(recipe: Recipe, rental: Rental, mounts: dict[str, str]) -> Iterator[str]:
    machines = recipe.launch.num_machines
    each = recipe.launch.num_processes // machines
    name = re.sub(r"[^a-z0-9-]+", "-", recipe.output.name.lower()).strip("-")[:40] or "lora"
    yield "# A SkyPilot task written by loratui. Start it:  sky launch -c lora FILE" + _with_secret(rental)
    yield "# Watch it:  sky logs lora      Fetch what came out:  rsync -avP lora:loratui-data/out/ ."
    yield "# It costs money until:  sky down lora"
    yield f"name: {_text(f'loratui-{name}')}"
    yield f"num_nodes: {machines}"
    yield "resources:"
    yield "  accelerators:"
    yield from (f"    - {_text(f'{gpu}:{each}')}" for gpu in rental.gpus)
    yield f"  disk_size: {rental.disk_gib}"
    if rental.spot:
        yield "  use_spot: true"
    if rental.autostop_minutes is not None:
        yield "  autostop:"
        yield f"    idle_minutes: {rental.autostop_minutes}"
    yield "envs:"
    yield f"  LORATUI_HOME: {_text(f'{FOLDER}/home')}"
    if rental.token:
        yield "secrets:"
        yield "  HF_TOKEN: null  # given with --secret, never written here"
    if mounts:
        yield "file_mounts:"
        yield from (f"  {_text(remote)}: {_text(local)}" for remote, local in mounts.items())


def _with_secret(rental: Rental) -> str:
    return " --secret HF_TOKEN" if rental.token else ""


def _scripts(recipe: Recipe, rental: Rental) -> Iterator[str]:
    yield "setup: |"
    yield from _block(
        f"pip install {shlex.quote(rental.package)}",
        *(["loratui setup kohya"] if recipe.launch.engine == "kohya" else []),
        "loratui doctor || true",
    )
    settings = ['output.folder="$HOME"/loratui-data/out']
    if recipe.launch.num_machines > 1:
        settings.append('launch.machine_rank="$SKYPILOT_NODE_RANK"')
        settings.append('launch.main_process_ip="$(echo "$SKYPILOT_NODE_IPS" | head -n1)"')
    yield "run: |"
    yield from _block(
        f"mkdir -p {FOLDER}/out",
        f"cat > {FOLDER}/recipe.toml <<'{_END}'",
        *_recipe_lines(recipe),
        _END,
        f"sed -i 's#\"{FOLDER}/#\"'\"$HOME\"'/loratui-data/#' {FOLDER}/recipe.toml",
        f"loratui train {FOLDER}/recipe.toml {' '.join(f'--set {setting}' for setting in settings)}",
    )


def _recipe_lines(recipe: Recipe) -> Sequence[str]:
    lines = dumps(recipe).splitlines()
    if _END in lines:  # it would end the recipe early
        raise UserError("", Problem("", f"a line of the recipe is {_END}.", "Change that text."))
    return lines


def _block(*lines: str) -> Iterator[str]:
    yield from (f"  {line}" if line else "" for line in lines)


def _text(value: str) -> str:
    """A YAML string in double quotes: JSON's, with the characters escaped that YAML does not allow."""
    quoted = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f\ufeff\ufffe\uffff]", lambda found: f"\\u{ord(found[0]):04x}", quoted)
