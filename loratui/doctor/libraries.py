"""The libraries that train: torch against the GPU, and what else each engine loads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from loratui.doctor import torch_builds
from loratui.doctor.check import Check, fine, note, wrong
from loratui.doctor.gpus import Gpus
from loratui.doctor.probing import Libraries, Torch
from loratui.doctor.requirements import missing
from loratui.kohya_checkout import TESTED_COMMIT, Checkout

BUILTIN_LIBRARIES = ("torch", "accelerate", "safetensors", "tokenizers", "ftfy", "numpy")
_SETUP = "loratui setup kohya"


def builtin(found: Libraries, gpus: Gpus) -> Iterator[Check]:
    """What the builtin engine loads, in the Python that runs loratui."""
    absent = [name for name in BUILTIN_LIBRARIES if name not in found.versions]
    if absent and found.version:
        yield note(
            "builtin",
            f"the builtin trainer is not installed (missing: {', '.join(absent)})",
            f'{found.python} -m pip install "loratui[train]" (in the source\'s folder: ".[train]")',
        )
        return
    yield from _torch("builtin", found, gpus)
    # Training does without; Adafactor, `lora proof` and captions of sentences do not.
    if "transformers" not in found.versions:
        pass
    elif "torchvision" in found.errors and "torchvision" in found.versions:
        # not needed, and yet transformers imports it wherever it is installed
        yield replace(_torchvision("builtin", found), needed=False)
    elif "timm" in found.versions and "torchvision" not in found.versions:
        yield note(
            "builtin.torchvision",
            "timm is installed and torchvision, which it needs, is not: transformers and peft fail to import",
            f"{found.python} -m pip uninstall timm",
        )
    yield from _versions("builtin", found)


def kohya(checkout: Checkout, found: Libraries | None, gpus: Gpus) -> Iterator[Check]:
    """What sd-scripts loads, in its own virtual environment. ``found`` is None where there is none."""
    if not checkout.exists:
        detail = f"no sd-scripts at {checkout.folder}"
        if checkout.source == "own":
            yield note("kohya", f"{detail}: only needed for the kohya engine", f"Set it up: {_SETUP}")
        else:
            yield wrong("kohya", detail, f"Correct LORATUI_KOHYA, or set one up: {_SETUP}")
        return
    commit = checkout.commit
    at = f"{checkout.folder}{f' at {commit[:8]}' if commit else ''}"
    if checkout.python is None or found is None:
        yield wrong("kohya", f"{at} has no virtual environment", _mend(checkout))
        return
    yield fine("kohya", f"{at}, Python {found.version or '?'} at {checkout.python}")
    if commit and commit != TESTED_COMMIT:
        yield note(
            "kohya.commit",
            f"{commit[:8]} is not the commit loratui was tested with ({TESTED_COMMIT[:8]})",
            "It will most likely do. The tested one: " + _tested(checkout),
        )
    if "python" in found.errors:
        yield wrong(
            "kohya.python", f"{checkout.python} does not run: {found.errors['python']}", _mend(checkout)
        )
        return
    absent, other = missing(checkout.folder / "requirements.txt", found.versions)
    if absent:
        yield wrong("kohya.requirements", f"missing: {', '.join(absent)}", _mend_requirements(checkout))
    elif other:
        yield note(
            "kohya.requirements",
            f"other versions than sd-scripts asks for: {', '.join(other[:6])}",
            _mend_requirements(checkout),
        )
    else:
        yield fine("kohya.requirements", "all installed")
    yield from _torch("kohya", found, gpus)
    if found.torch is None:
        return
    yield _torchvision("kohya", found)
    yield from _cv2(found)
    yield _bitsandbytes(found)
    if "library.train_util" in found.errors:
        yield wrong(
            "kohya.scripts",
            f"sd-scripts does not import: {found.errors['library.train_util']}",
            "Mend what is wrong above first. " + _mend_requirements(checkout),
        )
    elif "library.train_util" in found.imported:
        yield fine("kohya.scripts", "sd-scripts imports")
    yield from _versions("kohya", found)


def _tested(checkout: Checkout) -> str:
    if checkout.source == "own":
        return f"{_SETUP} --commit tested"
    return f"git -C {checkout.folder} fetch && git -C {checkout.folder} checkout {TESTED_COMMIT[:8]}"


def _mend(checkout: Checkout) -> str:
    return _SETUP if checkout.source == "own" else f"Make a venv there, or adopt it with --python: {_SETUP}"


def _mend_requirements(checkout: Checkout) -> str:
    if checkout.source == "own":
        return _SETUP
    return f"cd {checkout.folder} && {checkout.python} -m pip install -r requirements.txt"


def install_torch(python: Path, gpus: Gpus) -> str:
    """The command that installs the torch of this machine, with its torchvision."""
    build, why = torch_builds.choose(gpus.driver_major, gpus.capabilities)
    if build is None:
        return f"{why[0].upper()}{why[1:]}: update the driver, or take another machine."
    return (
        f"{python} -m pip install --force-reinstall torch=={build.torch} torchvision=={build.torchvision}"
        f" --index-url {torch_builds.index_url(build.tag)}"
    )


def _torch(room: str, found: Libraries, gpus: Gpus) -> Iterator[Check]:
    name = f"{room}.torch"
    install = install_torch(found.python, gpus)
    torch = found.torch
    if torch is None:
        reason = found.errors.get("torch") or found.errors.get("python") or "it could not be asked"
        what = "is not installed" if "No module named 'torch'" in reason else f"cannot be imported: {reason}"
        yield wrong(name, f"torch {what}", install)
        return
    trouble = _trouble(torch, gpus)
    if trouble:
        yield wrong(name, f"torch {torch.version}: {trouble}", install)
        return
    built = f"CUDA {torch.cuda}" if torch.cuda else f"ROCm {torch.hip}" if torch.hip else "CPU only"
    yield fine(name, f"{torch.version} ({built}) at {torch.folder.parent}")
    if "matmul" in found.errors:
        yield wrong(f"{room}.matmul", f"a matrix product on the GPU fails: {found.errors['matmul']}", install)
    elif found.matmul:
        where = "the CPU" if found.matmul == "cpu" else f"the GPU ({found.matmul})"
        yield fine(f"{room}.matmul", f"a matrix product on {where} is right")


def _trouble(torch: Torch, gpus: Gpus) -> str:
    """Why this torch cannot use the GPU that is here; empty when it can, or there is none."""
    if not gpus.gpus:
        return ""
    if not torch.cuda and not torch.hip:
        return "a build for the CPU only, and there is a GPU"
    if not torch.available:
        return f"it cannot use the GPU: {torch.why or 'it sees none (look at CUDA_VISIBLE_DEVICES)'}"
    for name, capability in torch.devices:
        if torch.codes and not torch.hip and not torch_builds.runs_on(capability, torch.codes):
            codes = " ".join(torch.codes)
            return f"it holds no code for the {name} ({torch_builds.sm(capability)}), only for {codes}"
    return ""


def _torchvision(room: str, found: Libraries) -> Check:
    """sd-scripts imports torchvision without listing it; it must be the build that belongs to this torch."""
    name, torch = f"{room}.torchvision", found.torch
    mend = mend_torchvision(found)
    error = found.errors.get("torchvision")
    if error:
        if "torchvision" not in found.versions and "No module named" in error:
            return wrong(name, "torchvision is not installed; sd-scripts imports it first of all", mend)
        version = found.versions.get("torchvision", "?")
        of = torch.version if torch else "?"
        return wrong(name, f"torchvision {version} does not fit torch {of}: {error}", mend)
    version = found.imported.get("torchvision", "")
    if torch and torch_builds.tag_of(version) != torch_builds.tag_of(torch.version) and "+" in version:
        return note(name, f"{version} was built for another torch than {torch.version}, and imports", mend)
    return fine(name, version)


def mend_torchvision(found: Libraries) -> str:
    """The command that installs the torchvision of this torch."""
    wanted = torch_builds.torchvision_for(found.torch.version) if found.torch else None
    if found.torch is None or wanted is None:
        return "Install torch and torchvision together, in one pip command, from the same index."
    tag = torch_builds.tag_of(found.torch.version)
    index = f" --index-url {torch_builds.index_url(tag)}" if tag else ""
    return f'{found.python} -m pip install --force-reinstall --no-deps "torchvision=={wanted}"{index}'


def _cv2(found: Libraries) -> Iterator[Check]:
    error = found.errors.get("cv2")
    if error is None:
        return
    if "lib" in error and ".so" in error:
        way = "apt-get update && apt-get install -y libgl1 libglib2.0-0"
    else:
        way = f"{found.python} -m pip install --force-reinstall opencv-python-headless"
    yield wrong("kohya.opencv", f"OpenCV cannot be imported: {error}", way)


def _bitsandbytes(found: Libraries) -> Check:
    error = found.errors.get("bitsandbytes")
    if error is None:
        return fine("kohya.bitsandbytes", found.imported.get("bitsandbytes", "not looked at"))
    way = f"{found.python} -m pip install -U bitsandbytes, or use an optimizer without 8bit in its name"
    return note("kohya.bitsandbytes", f"8-bit optimizers cannot be used: {error}", way)


def _versions(room: str, found: Libraries) -> Iterator[Check]:
    names = ("diffusers", "transformers", "accelerate", "numpy", "xformers")
    shown = [f"{name} {found.versions[name]}" for name in names if name in found.versions]
    yield fine(f"{room}.versions", ", ".join(shown) or "none")
