"""A training step of the builtin trainer beside its floor, in the same process.

    python benchmarks/trainer.py [--side 128] [--batch 1] [--rank 16] [--rounds 5] [--threads N] [--tiny]
                                 [--family sd15|sdxl] [--set KEY=VALUE]…

The floor is one forward and backward pass through the frozen U-Net without any LoRA, the gradient taken
with respect to its input; ours is a whole optimizer step with AdamW through the same function that
training calls. The U-Net has the size of Stable Diffusion 1.5 and random weights made on the spot (3.4 GB in
float32), with --tiny a fiftieth of its weights, where a step is little else than the starting of kernels.
With --family sdxl it is Stable Diffusion XL, with --tiny at a quarter of its width. --set takes any setting
of config.toml, as in ``--set optimizer_type=Prodigy --set 'network_args=["algo=lokr"]'``; precision and
gradient checkpointing are the floor's as well.
Rounds alternate, so that both meet the same machine. Prints one JSON object with medians and their ratio, and
what no machine changes: how many kernels a step starts, and how much a forward pass keeps for the backward
one. Exits 1 above the goal of 1.10.

    python benchmarks/trainer.py --kohya DIR [--kohya-python PYTHON] [--tiny] [--side 64] [--rounds 3]
                                 [--stored float16|float32]

Beside any checkout of sd-scripts instead: both as processes on the same files and config.toml, from launch to
the first step by phase, and step by step. DIR/venv/bin/python runs it unless another is named. The model is a
whole Stable Diffusion 1.5 (2.1 GB on disk for as long as it runs, with --stored float32 4.3), with --tiny
one of a fiftieth of its weights, which takes a minute. Exits 1 where ours takes more than a quarter of
sd-scripts' time from launch to the first step.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import beside_kohya
import torch
from accelerate import Accelerator
from narrow_kohya import NARROW
from step_counts import kept_bytes, kernels_of

from loratui import kohya_config
from loratui.trainer.assembly import network_on, stepper_for
from loratui.trainer.base.base_precision import DTYPES
from loratui.trainer.base.loading import BaseModel, read_config
from loratui.trainer.captions.text import Condition, predict
from loratui.trainer.captions.tokenizer import ASSETS
from loratui.trainer.nets.unet import UNet2DConditionModel
from loratui.trainer.optimizing import optimizers
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.config_file import load_config
from loratui.trainer.stepping import Fed
from loratui.trainer.tiny_model import make

GOAL = 1.10
LAUNCH_GOAL = 4.0


SDXL_NARROW = {"block_out_channels": [80, 160, 320], "norm_num_groups": 16, "cross_attention_dim": 256}
"""A quarter of the width, and as many layers."""


def config_for(
    rank: int, side: int, batch: int, family: str = "sd15", more: Mapping[str, object] | None = None
) -> TrainConfig:
    """A plain config; its base model is a tiny one, looked at for its family only."""
    with tempfile.TemporaryDirectory() as folder:
        make(Path(folder) / "model", family)
        values = {
            "pretrained_model_name_or_path": str(Path(folder) / "model"),
            "train_data_dir": folder,
            "output_dir": folder,
            "resolution": f"{side},{side}",
            "network_module": "networks.lora",
            "network_dim": rank,
            "network_alpha": rank / 2,
            "network_train_unet_only": True,
            "train_batch_size": batch,
            "learning_rate": 1e-4,
            **(more or {}),
        }
        path = Path(folder) / "config.toml"
        path.write_text(kohya_config.dumps({"all": values}))
        return load_config(path)


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long it takes: seconds of the processor, which other programs on the machine do not change; on
    a GPU those of the clock, with everything done."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    begun = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begun


def setting(text: str) -> tuple[str, object]:
    """KEY=VALUE, the value as TOML has it, or a bare word."""
    key, _, value = text.partition("=")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


def mib(size: int) -> float:
    """Of bytes."""
    return round(size / 2**20, 1)


def beside(options: argparse.Namespace) -> int:
    """Both engines as processes."""
    python = options.kohya_python or str(options.kohya / "venv" / "bin" / "python")
    settings = {name: getattr(options, name) for name in ("side", "rank", "batch", "steps")}
    found = beside_kohya.compare(
        options.kohya.absolute(),
        python,
        settings,
        rounds=options.rounds,
        threads=options.threads,
        tiny=options.tiny,
        stored=options.stored,
    )
    print(json.dumps(found, indent=1))
    return 0 if found["launch_ratio_wall"] >= LAUNCH_GOAL else 1


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--side", type=int, default=128, help="pixels")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--kohya", type=Path, metavar="DIR", help="a checkout of sd-scripts to compare with")
    parser.add_argument("--kohya-python", metavar="PYTHON", help="the Python that runs it")
    parser.add_argument("--steps", type=int, default=6, help="of each run beside sd-scripts")
    parser.add_argument(
        "--stored", choices=("float16", "float32"), default="float16", help="of the model's file"
    )
    parser.add_argument("--tiny", action="store_true", help="a narrow model")
    parser.add_argument("--family", choices=("sd15", "sdxl"), default="sd15")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of config.toml")
    options = parser.parse_args()
    if options.kohya:
        return beside(options)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    more = dict(map(setting, options.set))
    config = config_for(options.rank, options.side, options.batch, options.family, more)
    accelerator = Accelerator(mixed_precision=config.mixed_precision)
    device = accelerator.device
    narrow = {"sd15": NARROW["unet"], "sdxl": SDXL_NARROW}[options.family] if options.tiny else {}
    shape = read_config(ASSETS / options.family / "unet") | narrow
    unet = UNet2DConditionModel(shape).to(device, DTYPES[config.mixed_precision])
    unet.requires_grad_(False).eval()
    if config.gradient_checkpointing:
        unet.enable_gradient_checkpointing()

    small = options.side // 8
    latents, noise = torch.randn(2, options.batch, 4, small, small, device=device)
    pooled = torch.randn(options.batch, 1280, device=device) if options.family == "sdxl" else None
    states = torch.randn(options.batch, 77, shape["cross_attention_dim"], device=device)
    condition = Condition(states, pooled)
    timesteps = torch.full((options.batch,), 500)
    weights, sizes = torch.ones(options.batch, device=device), torch.zeros(options.batch, 6, device=device)
    fed = Fed(latents, noise, timesteps, condition, sizes, weights)

    def frozen() -> torch.Tensor:
        noisy = latents.detach().requires_grad_()
        with accelerator.autocast():
            return predict(unet, noisy, timesteps.to(device), condition, sizes)

    def floor() -> None:
        torch.autograd.backward(torch.nn.functional.mse_loss(frozen(), noise))

    known = [*unet.parameters(), latents, noise, condition.states]
    counts = {"floor_kernels": kernels_of(floor), "floor_kept_mib": mib(kept_bytes(frozen, known))}

    # The floor goes first in each round with the LoRA's layers taken off, and ours with them on.
    network = network_on(config, BaseModel(options.family, unet, None, [], []), device)
    targets = [module for module in unet.modules() if "forward" in vars(module)]
    patched = {module: module.forward for module in targets}
    stepper = stepper_for(config, optimizers.choose(config), accelerator, unet, network, 1000)

    stepper.step(0, [lambda: fed])  # the optimizer's state is made
    known += network.parameters()
    counts["ours_kernels"] = kernels_of(lambda: stepper.step(1, [lambda: fed]))
    with accelerator.autocast():
        counts["ours_kept_mib"] = mib(kept_bytes(lambda: stepper.loss(fed), known))

    times: dict[str, list[float]] = {"floor": [], "ours": []}
    for number in range(options.rounds + 1):
        for module in targets:
            del module.forward
        floor_seconds = seconds(floor, device)
        for module, forward in patched.items():
            module.forward = forward
        our_seconds = seconds(partial(stepper.step, number, [lambda: fed]), device)
        if number:  # the first round warms up
            times["floor"].append(floor_seconds)
            times["ours"].append(our_seconds)
    medians = {name: statistics.median(values) for name, values in times.items()}
    found = {
        "device": device.type,
        "threads": options.threads,
        "side": options.side,
        "batch": options.batch,
        "rank": options.rank,
        "family": options.family,
        "set": more,
        "modules": len(network.layers),
        "floor_s": round(medians["floor"], 4),
        "ours_s": round(medians["ours"], 4),
        "ratio": round(medians["ours"] / medians["floor"], 4),
        "goal": GOAL,
        **counts,
    }
    if device.type == "cuda":
        found["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
    print(json.dumps(found, indent=1))
    return 0 if medians["ours"] <= GOAL * medians["floor"] else 1


if __name__ == "__main__":
    sys.exit(main())
