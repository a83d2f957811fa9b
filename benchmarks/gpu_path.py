"""The builtin trainer's way over a GPU, on a machine without one.

    python benchmarks/gpu_path.py [CASE…]

Trains tiny models twice, on the CPU and on a CUDA device that is emulated by it (emulated_gpu.py), and prints
one JSON object: for each case how often a step waited for the device and how many copies to it it made (the
most of all steps after the first, which makes the optimizer's states), and the relative differences of loss
and weights between the two. A tensor on the wrong device ends a case, as it would on a GPU. Exits 1 where a
case fails, where a step that could go on waits, or where float32 trainings differ.

Says nothing of a GPU's speed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

_LORA = {"network_module": "networks.lora", "network_dim": 4, "network_alpha": 2}
_LYCORIS = {"network_module": "lycoris.kohya"}
_FIXED = ["relative_step=False", "scale_parameter=False", "warmup_init=False"]
CASES: dict[str, dict[str, Any]] = {
    "float32": {},
    "bf16": {"mixed_precision": "bf16"},
    "fp16": {"mixed_precision": "fp16"},
    "full_bf16": {"mixed_precision": "bf16", "full_bf16": True},
    "text_encoders": {"family": "sdxl", "network_train_unet_only": False},
    "text_encoder_alone": {"network_train_unet_only": False, "network_train_text_encoder_only": True},
    "checkpointing": {"gradient_checkpointing": True},
    "sdxl": {"family": "sdxl", "cache_text_encoder_outputs": True},
    "sd2_v": {"family": "sd2", "v_parameterization": True, "zero_terminal_snr": True},
    "noise": {"noise_offset": 0.05, "ip_noise_gamma": 0.1, "multires_noise_iterations": 4},
    "min_snr": {"min_snr_gamma": 5},
    "huber": {"loss_type": "huber", "huber_schedule": "snr"},
    "accumulation": {"gradient_accumulation_steps": 2},
    "norms": {"scale_weight_norms": 0.01},
    "dropout": {"network_dropout": 0.1, "network_args": ["rank_dropout=0.1", "module_dropout=0.1"]},
    "locon": {"network_args": ["conv_dim=4", "conv_alpha=2"]},
    "loha": {**_LYCORIS, "network_args": ["algo=loha"]},
    "lokr": {**_LYCORIS, "network_args": ["algo=lokr", "factor=4"]},
    "changing_pictures": {"cache_latents": False, "random_crop": True, "flip_aug": True},
    "changing_captions": {"shuffle_caption": True, "caption_dropout_rate": 0.2},
    "adafactor": {"optimizer_type": "Adafactor", "lr_scheduler": "constant", "optimizer_args": _FIXED},
    "prodigy": {"optimizer_type": "Prodigy", "learning_rate": 1.0},
    "lion": {"optimizer_type": "Lion", "learning_rate": 1e-3},
    "schedule_free": {"optimizer_type": "AdamWScheduleFree"},
    "float8": {"fp8_base": True, "mixed_precision": "bf16"},
    "validation": {"validation_split": 0.2, "validate_every_n_steps": 2, "validation_seed": 1},
    "states": {"save_state": True, "save_every_n_steps": 2},
    "samples": {"sample_every_n_steps": 2, "sample_prompts": "a prompt --w 64 --h 64 --s 2"},
}
ASK = frozenset({"fp16", "prodigy", "loha"})
"""Steps that wait for the device: for the gradient scaler, for the rate that is found, and for a number that
lycoris-lora sends to it where it computes a layer its own way."""
ONLY_GPU = frozenset({"fp16"})
LIMIT = 1e-4
"""Of the differences in float32: weights of a few steps of Adam, where signs of tiny gradients count."""
_BASE = {
    **_LORA,
    "caption_extension": ".txt",
    "resolution": "64,128",
    "enable_bucket": True,
    "min_bucket_reso": 64,
    "max_bucket_reso": 128,
    "network_train_unet_only": True,
    "learning_rate": 1e-2,
    "train_batch_size": 4,
    "max_train_steps": 4,
    "cache_latents": True,
    "seed": 7,
    "output_name": "lora",
}


def make_material(folder: Path) -> None:
    """A tiny model of each family and six pictures of two shapes."""
    from PIL import Image, ImageDraw

    from loratui.trainer.tiny_model import make

    for family in ("sd15", "sd2", "sdxl"):
        make(folder / family, family, seed=1)
    pictures = folder / "pictures" / "2_ohwx"
    pictures.mkdir(parents=True)
    for number in range(6):
        image = Image.new("RGB", (64, 64 if number < 4 else 128), (40 * number, 90, 200 - 30 * number))
        ImageDraw.Draw(image).ellipse((10, 10, 50, 40 + 4 * number), fill=(255 - 40 * number, 200, 40))
        image.save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text(f"ohwx, number {number}, flat, round")


def train(folder: Path, out: Path, changes: dict[str, Any], counts: Any) -> dict[str, Any]:
    """One training in this process; ``counts`` tells what a device did so far, or is None."""
    from accelerate.state import AcceleratorState

    from loratui import events, kohya_config
    from loratui.trainer import stepping
    from loratui.trainer.__main__ import guarded
    from loratui.trainer.reporting.report import Reporter
    from loratui.trainer.stopping import StopRequest

    AcceleratorState._reset_state(reset_partial_state=True)
    values: dict[str, Any] = {**_BASE, **changes}
    out.mkdir(parents=True)
    if prompt := values.get("sample_prompts"):
        (out / "prompts.txt").write_text(prompt)
        values["sample_prompts"] = str(out / "prompts.txt")
    model = str(folder / values.pop("family", "sd15"))
    values |= {
        "pretrained_model_name_or_path": model,
        "train_data_dir": str(folder / "pictures"),
        "output_dir": str(out),
    }
    config = out / "config.toml"
    config.write_text(kohya_config.dumps({"all": values}))
    steps: list[tuple[int, ...]] = []
    begin = stepping.Stepper.begin

    def counted(*arguments: Any, **named: Any) -> Any:
        before = counts() if counts else ()
        found = begin(*arguments, **named)
        steps.append(tuple(now - then for now, then in zip(counts() if counts else (), before, strict=True)))
        return found

    stepping.Stepper.begin = counted  # type: ignore[method-assign]
    told: list[events.Event] = []
    try:
        code = guarded(config, Reporter(told.append), StopRequest())
    finally:
        stepping.Stepper.begin = begin  # type: ignore[method-assign]
    errors = [one.text for one in told if isinstance(one, events.Message) and one.level == "error"]
    losses = [one.loss for one in told if isinstance(one, events.Step)]
    return {"code": code, "errors": errors, "losses": losses, "steps": steps[1:], "out": str(out)}


def difference(one: dict[str, Any], other: dict[str, Any]) -> tuple[float, float]:
    """The largest relative one of the losses, and that of all weights together."""
    import torch
    from safetensors.torch import load_file

    losses = [abs(a - b) / abs(a) for a, b in zip(one["losses"], other["losses"], strict=True)]
    first, second = (load_file(Path(run["out"]) / "lora.safetensors") for run in (one, other))
    ours = torch.cat([first[key].double().flatten() for key in sorted(first)])
    theirs = torch.cat([second[key].double().flatten() for key in sorted(first)])
    return max(losses), float((ours - theirs).norm() / ours.norm())


def run_all(kind: str, folder: Path, names: list[str]) -> dict[str, Any]:
    """All cases on one kind of device."""
    counts = None
    if kind == "gpu":
        import emulated_gpu

        counts = emulated_gpu.counts
    wanted = [name for name in names if kind == "gpu" or name not in ONLY_GPU]
    return {name: train(folder, folder / kind / name, CASES[name], counts) for name in wanted}


def main() -> int:
    """Both kinds in processes of their own: torch looks for devices once."""
    if len(sys.argv) > 3 and sys.argv[1] in ("cpu", "gpu"):
        print(json.dumps(run_all(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])))
        return 0
    names = sys.argv[1:] or list(CASES)
    if unknown := set(names) - CASES.keys():
        sys.exit(f"no such case: {', '.join(sorted(unknown))}. There are {', '.join(CASES)}.")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_material(folder)
        runs = {}
        for kind in ("gpu", "cpu"):
            command = [sys.executable, __file__, kind, place, *names]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            runs[kind] = json.loads(done.stdout.splitlines()[-1])
        table = {name: _row(name, runs["gpu"][name], runs["cpu"].get(name)) for name in names}
    print(json.dumps(table, indent=1))
    return 0 if all(row["fine"] for row in table.values()) else 1


def _row(name: str, gpu: dict[str, Any], cpu: dict[str, Any] | None) -> dict[str, Any]:
    if gpu["code"] or (cpu and cpu["code"]):
        return {"fine": False, "errors": gpu["errors"] or (cpu or gpu)["errors"]}
    waits, copies, kernels = (max(column) for column in zip(*gpu["steps"], strict=True))
    row: dict[str, Any] = {"waits": waits, "copies": copies, "kernels": kernels}
    fine = waits == 0 or name in ASK
    if cpu is not None:
        row["loss"], row["weights"] = difference(cpu, gpu)
        exact = CASES[name].get("mixed_precision", "no") == "no"
        fine = fine and not (exact and max(row["loss"], row["weights"]) > LIMIT)
    return row | {"fine": fine}


if __name__ == "__main__":
    sys.exit(main())
