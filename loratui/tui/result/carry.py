"""Lines to copy: how a LoRA file gets to another computer, and what else can be done with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from loratui.builtin import support as builtin_support
from loratui.runs.hardware.ssh import SshAddress, rsync_out, shell_quoted


def other_ways(
    path: Path, at: SshAddress | None, environment: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """(what for, the line to type), for when scp will not do."""
    if at is not None:
        yield "there: goes on where a broken connection left off", rsync_out(path, at)
    if "RUNPOD_POD_ID" in environment:
        yield "here, without SSH: prints a code to receive it with", f"runpodctl send {beside(path)}"


def commands(path: Path, run_id: str, base: str, family: str | None) -> Iterator[tuple[str, str]]:
    """(what for, the line to type in the file's folder), for what comes after training."""
    lora = beside(path)
    model = shell_quoted(base) if base.endswith(".safetensors") else "MODEL.safetensors"
    if family is None or family in builtin_support.FAMILIES:
        yield (
            "pictures of all checkpoints side by side, to choose one",
            f"loratui lora try --run {shell_quoted(run_id)} -o sheet.png",
        )
        merged = beside(path, "-merged")
        yield "into a checkpoint, for programs without LoRA", f"loratui lora merge {model} {lora} -o {merged}"
        renamed = beside(path, "-diffusers")
        yield "in the names of diffusers and peft", f"loratui lora convert {lora} -o {renamed}"
    if base:
        yield (
            "its exact strength on the base model",
            f"loratui lora verify {lora} --base {shell_quoted(base)}",
        )
    yield (
        "to the Hugging Face hub; shows first, sends nothing",
        f"loratui lora upload {lora} --run {shell_quoted(run_id)} --repo OWNER/NAME --dry-run",
    )


def strip(path: Path) -> str:
    """The line that writes a copy without what the metadata gives away."""
    return f"loratui lora info {beside(path)} --strip {beside(path, '-stripped')}"


def beside(path: Path, ending: str = "") -> str:
    """The file's name, or one like it, for a command in its folder."""
    name = f"{path.stem}{ending}{path.suffix}"
    return shell_quoted(f"./{name}" if name.startswith("-") else name)
