"""Does a finished LoRA file do anything at all? Without torch and numpy: the supervisor asks."""

from __future__ import annotations

from pathlib import Path

from loratui.problems import UserError


def nothing_in(path: Path) -> str:
    """Why the LoRA at ``path`` changes nothing: every module has a factor of zeros, as ``lora_up`` is before
    the first step. Empty when some module does something, or when it cannot be told.

    Stops reading a factor at its first number that is not zero, so a trained file costs a few megabytes.
    """
    from loratui.formats.tensorfile import read_header
    from loratui.lora.checking.zeros import zero_halves
    from loratui.lora.files.modules import find_modules

    try:
        header = read_header(path)
        modules = find_modules(header.tensors)
        dead = zero_halves(path, header, modules)
    except (OSError, UserError, ValueError):
        return ""  # what is wrong with the file itself is said by its own check
    if not modules or len(dead) < len(modules):
        return ""
    if len(modules) == 1:
        return "its only module has a half of zeros, so its strength is 0"
    return f"all its {len(modules)} modules have a half of zeros, so its strength is 0"
