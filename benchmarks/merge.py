"""What merging a LoRA into a checkpoint costs, beside loading and saving the same file.

    python benchmarks/merge.py [--repeat 3] [--folder DIR] [--rank 32]

Makes an SD 1.5 checkpoint of its real size (1.07 billion random numbers in fp16, 2.1 GB) and a LoRA over
all 264 modules in a temporary folder, which is removed at the end; about 7 GB of room are needed. Each
way runs in a process of its own, in turn, A B A B, so that a machine whose speed drifts does not favour
either. Prints medians of wall time, processor time and peak memory, and their ratios. Merging waits until its
file is on the disk (fsync), which loading and saving does not; the third way does both and waits too.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import save_file

import loratui
from loratui.formats.layouts import text_layout, unet_layout, vae_layout
from loratui.lora.files.checkpoint import UNET, VAE
from loratui.lora.files.module_names import Module, kohya_name
from loratui.lora.files.streams import Entry, raw_bytes, write

_ASSETS = Path(loratui.__file__).parent / "trainer" / "assets" / "sd15"
_CLIP = "cond_stage_model.transformer."
_STATUS = "open('/proc/self/status').read()"
_NOTHING = "import torch, safetensors.torch"
_PLAIN = "from safetensors.torch import load_file, save_file\nsave_file(load_file({base!r}), {out!r})"
_SYNCED = _PLAIN + "\nimport os; os.fsync(os.open({out!r}, os.O_RDONLY))"
_MERGE = (
    "from pathlib import Path\nfrom loratui.lora.changing.merge import merge\n"
    "merge(Path({base!r}), [(Path({lora!r}), 0.8)], Path({out!r}))"
)


class Cost(NamedTuple):
    """Of one process."""

    wall: float
    """Seconds."""
    processor: float
    """Seconds, of all threads."""
    peak: float
    """MiB resident at most; pages of a mapped file count."""


def shapes() -> dict[str, tuple[int, ...]]:
    """The tensors of SD 1.5 as a single file."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel

    def config(part: str) -> dict[str, Any]:
        values: dict[str, Any] = json.loads((_ASSETS / part / "config.json").read_text(encoding="utf-8"))
        return values

    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config("unet")).state_dict()
        vae = AutoencoderKL.from_config(config("vae")).state_dict()
        text = CLIPTextModel(CLIPTextConfig(**config("text_encoder"))).state_dict()
    blocks = unet_layout.attention_blocks(unet)
    found = {f"{UNET}{unet_layout.unet_to_sgm(key, 2, blocks)}": tensor for key, tensor in unet.items()}
    found |= {f"{VAE}{vae_layout.vae_to_single(key, 4)}": tensor for key, tensor in vae.items()}
    found |= {f"{_CLIP}{text_layout.with_text_model(key)}": tensor for key, tensor in text.items()}
    return {name: tuple(tensor.shape) for name, tensor in found.items()}


def make_checkpoint(path: Path, tensors: dict[str, tuple[int, ...]]) -> None:
    """Random numbers in fp16."""

    def numbers(shape: tuple[int, ...]) -> Any:
        return lambda: [raw_bytes((0.02 * torch.randn(shape)).half())]

    write(
        path, [Entry(name, "F16", shape, numbers(shape)) for name, shape in tensors.items()], {"format": "pt"}
    )


def make_lora(path: Path, tensors: dict[str, tuple[int, ...]], rank: int) -> int:
    """A LoRA over all layers that sd-scripts trains. Returns how many."""
    found: dict[str, torch.Tensor] = {}
    count = 0
    for name, shape in tensors.items():
        key = unet_layout.unet_to_diffusers(name.removeprefix(UNET), 2) if name.startswith(UNET) else None
        part = "unet"
        if key is None and name.startswith(_CLIP):
            key, part = name.removeprefix(_CLIP), "text_encoder"
        wanted = key and (".attentions." in key or ".encoder.layers." in key)
        if not key or not wanted or not key.endswith(".weight") or len(shape) < 2:
            continue
        stem = kohya_name(Module(part, key.removesuffix(".weight")), sdxl=False)
        ones = (1, 1) if len(shape) == 4 else ()
        found[f"{stem}.lora_down.weight"] = (0.02 * torch.randn(rank, *shape[1:])).half()
        found[f"{stem}.lora_up.weight"] = (0.02 * torch.randn(shape[0], rank, *ones)).half()
        found[f"{stem}.alpha"] = torch.tensor(float(rank)).half()
        count += 1
    save_file(found, path)
    return count


def cost(code: str, out: Path) -> Cost:
    """Run it in a process of its own. Raises ``SystemExit`` when it fails."""
    # Asked of the process itself: what wait4 says begins with what its parent once had.
    code += f"\nimport pathlib; pathlib.Path({str(out) + '.status'!r}).write_text({_STATUS})"
    started = time.perf_counter()
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", code], os.environ)
    _, status, usage = os.wait4(child, 0)
    if status:
        sys.exit(f"a process failed with {os.waitstatus_to_exitcode(status)}")
    wall = time.perf_counter() - started
    out.unlink(missing_ok=True)
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"{out}.status").read_text(encoding="utf-8"))
    assert peak is not None
    return Cost(wall, usage.ru_utime + usage.ru_stime, int(peak[1]) / 1024)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where to work; the system's temporary folder by default")
    parser.add_argument("--rank", type=int, default=32)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        base, lora, out = (folder / f"{stem}.safetensors" for stem in ("base", "lora", "out"))
        tensors = shapes()
        make_checkpoint(base, tensors)
        modules = make_lora(lora, tensors, options.rank)
        print(f"checkpoint: {base.stat().st_size:,} bytes, {len(tensors)} tensors; {modules} modules merged")
        paths = {"base": str(base), "lora": str(lora), "out": str(out)}
        ways = {
            "imports alone": _NOTHING,
            "load and save": _PLAIN.format(**paths),
            "and fsync": _SYNCED.format(**paths),
            "merge": _MERGE.format(**paths),
        }
        costs: dict[str, list[Cost]] = {way: [] for way in ways}
        for _ in range(options.repeat):
            for way, code in ways.items():
                costs[way].append(cost(code, out))
    medians = {way: Cost(*map(statistics.median, zip(*found, strict=True))) for way, found in costs.items()}
    print(f"{'':14}{'wall s':>10}{'processor s':>13}{'peak MiB':>10}")
    for way, found in medians.items():
        print(f"{way:14}{found.wall:10.2f}{found.processor:13.2f}{found.peak:10.0f}")
    merged = medians["merge"]
    for way in ("load and save", "and fsync"):
        plain = medians[way]
        print(
            f"{'merge / ' + way:22}: wall {merged.wall / plain.wall:.2f},"
            f" processor {merged.processor / plain.processor:.2f}, peak {merged.peak / plain.peak:.2f}"
        )


if __name__ == "__main__":
    main()
