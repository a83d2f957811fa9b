"""The steps of a setup, as data: what each stands on, what it does, what it would show in a dry run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from loratui import kohya_checkout
from loratui.doctor import examine, gpus, libraries, probing, torch_builds
from loratui.engines.kohya.setup import source_code, torch_source
from loratui.engines.kohya.setup.commands import Runner, log_path
from loratui.engines.kohya.setup.torch_source import TorchSource
from loratui.problems import Problem, UserError, refusal

OPTIMIZERS = {
    "prodigyopt": "prodigyopt",
    "lion-pytorch": "lion-pytorch",
    "dadaptation": "dadaptation==3.2",
    "schedulefree": "schedulefree",
    "lycoris-lora": "lycoris-lora==4.1.3",
}
"""What may be asked for beside sd-scripts' own requirements, as pip takes it. Versions that requirements.txt
names hold; the others are the ones loratui was tested with."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do."""

    name: str
    title: str
    fingerprint: str
    """What it stands on; done again when that changes."""
    there: Callable[[], bool]
    """Whether its result is still there."""
    act: Callable[[Runner], None]


def steps(commit: str, source: TorchSource, extras: tuple[str, ...]) -> list[Step]:
    """All steps, in order."""
    folder = kohya_checkout.own_folder()
    python = folder / "venv" / "bin" / "python"
    build = f"torch {source.torch}: {source.why}"
    wanted = ", ".join(extras) or "none"
    environment = f"{source.python} {source.fingerprint}"
    return [
        Step(
            "code",
            f"sd-scripts at {commit[:8]}, from {source_code.address()}",
            commit,
            lambda: kohya_checkout.head_commit(folder) == commit,
            lambda runner: source_code.put_at(runner, folder, commit),
        ),
        Step(
            "environment",
            f"a virtual environment of {source.python} in {folder / 'venv'}",
            str(source.python),
            lambda: os.access(python, os.X_OK),
            lambda runner: _make_environment(runner, source.python, folder / "venv"),
        ),
        Step(
            "torch",
            f"{'links to ' if source.reused else ''}{build}",
            environment,
            lambda: _torch_is_there(source, folder / "venv"),
            lambda runner: _put_torch(runner, source, python),
        ),
        Step(
            "torchvision",
            f"the torchvision of torch {source.torch}",
            environment,
            lambda: True,
            lambda runner: _put_torchvision(runner, python),
        ),
        Step(
            "requirements",
            f"sd-scripts' requirements; optimizers and more: {wanted}",
            "",  # known once the code is there
            lambda: True,
            lambda runner: _put_requirements(runner, python, folder, extras),
        ),
        Step("check", "everything imports and computes", "", lambda: True, check),
    ]


def fingerprint_of(step: Step, commit: str, source: TorchSource, extras: tuple[str, ...]) -> str:
    """``step.fingerprint``, or for what stands on the code, the text of its requirements."""
    if step.fingerprint:
        return step.fingerprint
    try:
        text = (kohya_checkout.own_folder() / "requirements.txt").read_bytes()
    except OSError:
        text = b""
    parts = (hashlib.sha256(text).hexdigest()[:16], source.fingerprint, str(source.python), *extras)
    return " ".join((commit, *parts) if step.name == "check" else parts)


def _make_environment(runner: Runner, python: Path, folder: Path) -> None:
    """Made anew over what an interrupted or other Python left; only ever loratui's own."""
    if runner.succeeds([str(python), "-m", "venv", "--clear", str(folder)]):
        return
    # Debian splits ensurepip off; its pip can serve another Python all the same
    runner.run("environment", [str(python), "-m", "venv", "--clear", "--without-pip", str(folder)])
    inside = str(folder / "bin" / "python")
    if not runner.succeeds([str(python), "-m", "pip", "--python", inside, "install", "pip"]):
        raise refusal(
            "setup kohya",
            f"{python} cannot make virtual environments.",
            "apt-get update && apt-get install -y python3-venv, then run the same command again.",
        )


def _site_packages(environment: Path) -> Path | None:
    return next((environment / "lib").glob("python3.*/site-packages"), None)


def _link_file(environment: Path) -> Path | None:
    site = _site_packages(environment)
    return site / "loratui-torch.pth" if site else None


def _torch_is_there(source: TorchSource, environment: Path) -> bool:
    if source.reused is None:
        site = _site_packages(environment)
        return site is not None and (site / "torch").is_dir()
    file = _link_file(environment)
    return file is not None and file.is_file() and (torch_source.links_folder() / "torch").is_dir()


def _put_torch(runner: Runner, source: TorchSource, python: Path) -> None:
    environment = python.parents[1]
    file = _link_file(environment)
    if source.reused is not None:
        torch_source.link(source)
        if file is None:
            raise refusal(environment, "it is no virtual environment.", "Run the same command again.")
        file.write_text(f"{torch_source.links_folder()}\n", encoding="utf-8")
        return
    if file is not None:
        file.unlink(missing_ok=True)
    wanted = [f"torch=={source.torch.partition('+')[0]}", f"torchvision=={source.torchvision}"]
    runner.run("torch", [*_pip(python), "install", *wanted, "--index-url", source.index])


def _put_torchvision(runner: Runner, python: Path) -> None:
    """What is there must import; else the one that belongs to this torch is installed. Raises ``UserError``
    when that does not import either, before the long step that follows."""
    found = probing.look(python, ("torch", "torchvision"))
    if found.torch is None:
        raise refusal(python, f"torch does not import: {found.errors.get('torch', '')}.", f"See {log_path()}")
    if "torchvision" in found.imported:
        return
    wanted = torch_builds.torchvision_for(found.torch.version)
    if wanted is None:
        raise refusal(
            "setup kohya",
            f"torch {found.torch.version} is no release, so no torchvision can be found for it.",
            "Let setup install both: loratui setup kohya --torch install",
        )
    tag = torch_builds.tag_of(found.torch.version)
    index = ["--index-url", torch_builds.index_url(tag)] if tag else []
    if "torchvision" in found.versions:  # the same version of another build, which pip would keep
        runner.succeeds([*_pip(python), "uninstall", "--yes", "torchvision"])
    held = _hold(python, {"torch": found.torch.version})
    runner.run("torchvision", [*_pip(python), "install", f"torchvision=={wanted}", "-c", held, *index])
    after = probing.look(python, ("torch", "torchvision"))
    if "torchvision" not in after.imported:
        raise refusal(
            "setup kohya",
            f"torchvision {after.versions.get('torchvision', '')} does not fit torch {found.torch.version}:"
            f" {after.errors.get('torchvision', 'it does not import')}.",
            "Let setup install both from one place: loratui setup kohya --torch install",
        )


def _hold(python: Path, versions: Mapping[str, str]) -> str:
    """A file of constraints that keeps pip from bringing other versions of these packages."""
    path = python.parents[1] / "loratui-constraints.txt"
    path.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()), encoding="utf-8")
    return str(path)


def _put_requirements(runner: Runner, python: Path, folder: Path, extras: tuple[str, ...]) -> None:
    """In the checkout's folder, as its last line installs the folder itself; torch and torchvision held as
    they are."""
    installed = probing.look(python, ()).versions
    held = _hold(python, {name: installed[name] for name in ("torch", "torchvision") if name in installed})
    wanted = [OPTIMIZERS[name] for name in extras]
    runner.run(
        "requirements",
        [*_pip(python), "install", "-r", "requirements.txt", "-c", held, *wanted],
        cwd=folder,
    )


def check(runner: Runner) -> None:
    """Ask the environment as the doctor does. Raises ``UserError`` with the first thing that is wrong."""
    checkout = kohya_checkout.find()
    if checkout.python is None:
        raise refusal(checkout.folder, "it has no virtual environment.", "Run the same command again.")
    found = examine.look_at_kohya(checkout)
    checks = [*libraries.kohya(checkout, found, gpus.look())]
    examine.remember(checkout, checks)
    wrong = [one for one in checks if one.needed and not one.ok]
    if wrong:
        raise UserError(
            "setup kohya",
            *(Problem(one.name, f"{one.detail}.", one.fix) for one in wrong[:3]),
        )
    for one in checks:
        if not one.ok and one.name != "kohya.commit":
            runner.say(f"    {one.name}: {one.detail}")


def _pip(python: Path) -> list[str]:
    return [str(python), "-m", "pip"]
