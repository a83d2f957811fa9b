"""A base model kept in fewer bits, and gradients in fp16."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional

from loratui import events
from loratui.problems import UserError
from loratui.trainer.base.packing import FLOAT8, pack_4bit, pack_float8, weight_bytes
from loratui.trainer.optimizing.scaling import Scaling, allow_half_gradients, go_on, scaling_of
from loratui.trainer.saving.state import Progress, read_progress
from loratui.trainer.settings.options import Options
from tests.trainer.conftest import Train

os.environ.setdefault("HF_HUB_OFFLINE", "1")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On tiny tensors bitsandbytes' threads spend their time waiting for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Blocks(nn.Module):
    """A linear layer, a convolution and a norm, named as a U-Net's are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, 8, 3, padding=1)
        self.mid_block = nn.ModuleDict(
            {"linear": nn.Linear(64, 96), "conv": nn.Conv2d(8, 16, 3, 2, 1), "norm": nn.GroupNorm(4, 16)}
        )

    def part(self, name: str) -> Any:
        return self.mid_block[name]


def _answers(layer: nn.Module, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        result = layer(x)
    result.float().square().sum().backward()
    assert x.grad is not None
    return result.detach(), x.grad


@pytest.mark.parametrize("name", ["linear", "conv"])
def test_a_layer_in_float8_computes_what_autocast_makes_of_its_rounded_weights(name: str) -> None:
    torch.manual_seed(1)
    whole, packed = Blocks().requires_grad_(False), Blocks().requires_grad_(False)
    packed.load_state_dict(whole.state_dict())
    for weight in whole.parameters():
        weight.data = weight.data.to(FLOAT8).float()
    pack_float8(packed, torch.bfloat16, CPU)
    assert {weight.dtype for weight in packed.parameters()} == {FLOAT8}
    x = torch.randn(2, 5, 64) if name == "linear" else torch.randn(2, 8, 9, 9)
    for wanted, found in zip(_answers(whole.part(name), x), _answers(packed.part(name), x), strict=True):
        assert torch.equal(wanted, found)
    norm = packed.part("norm")(torch.randn(1, 16, 2, 2).bfloat16())
    assert norm.dtype == torch.float32


def test_no_unpacked_weight_is_kept_for_the_backward_pass() -> None:
    packed = Blocks().requires_grad_(False)
    pack_float8(packed, torch.bfloat16, CPU)
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        packed.part("linear")(torch.randn(3, 64, requires_grad=True))
        packed.part("conv")(torch.randn(1, 8, 8, 8, requires_grad=True))
    assert kept == []


def test_a_layer_in_4_bits() -> None:
    torch.manual_seed(2)
    whole, packed = Blocks().requires_grad_(False), Blocks().requires_grad_(False)
    packed.load_state_dict(whole.state_dict())
    pack_4bit(packed, torch.float32, CPU)
    weights = sum(whole.part(name).weight.numel() for name in ("linear", "conv"))
    taken = packed.part("linear").weight.numel() + packed.part("conv").weight.numel()
    assert taken == weights / 2
    assert weight_bytes(packed) < weight_bytes(whole) / 3
    x = torch.randn(4, 64)
    layer = packed.part("linear")
    wanted = functional.linear(x, whole.part("linear").weight, whole.part("linear").bias)
    error = (layer(x) - wanted).norm() / wanted.norm()
    assert 0.01 < error < 0.15
    assert torch.equal(packed.conv_in.weight, whole.conv_in.weight)


@pytest.mark.parametrize(
    ("family", "more"),
    [
        ("sd15", {"fp8_base": True, "network_train_unet_only": None, "network_args": ["conv_dim=2"]}),
        ("sd15", {"fp8_base_unet": True, "gradient_checkpointing": True}),
        ("sd15", {"fp8_base_unet": True, "network_module": "lycoris.kohya"}),
    ],
)
def test_training_in_float8(family: str, more: dict[str, Any], train: Train) -> None:
    whole = {key: more[key] for key in more if "fp8" not in key}
    plain, told = (train(family, mixed_precision="bf16", max_train_steps=2, **one) for one in (whole, more))
    assert told.code == 0
    losses = [[step.loss for step in one.of(events.Step)] for one in (plain, told)]
    assert losses[0] == pytest.approx(losses[1], rel=0.1)
    assert losses[0] != losses[1]
    assert any("float8" in message.text for message in told.of(events.Message))


def test_a_resumed_training_on_4_bits_gives_the_weights_of_an_unbroken_one(
    train: Train, tmp_path: Path
) -> None:
    """In 4 bits, with samples between."""
    four = Options(base_4bit=True)
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("ohwx --w 64 --h 64 --s 2 --d 1\n")
    more: dict[str, Any] = {"sample_prompts": str(prompts), "sample_every_n_steps": 2}
    whole = train(max_train_steps=4, options=four, save_every_n_steps=2, save_state=True, **more)
    assert len(whole.of(events.Sample)) == 2
    assert any("4 bits" in message.text for message in whole.of(events.Message))
    plain, packed = (
        one.of(events.Step)[0].loss for one in (train(max_train_steps=1, output_name="plain"), whole)
    )
    assert packed == pytest.approx(plain, rel=0.2)
    assert packed != plain
    out = tmp_path / "out"
    wanted = load_file(out / "tiny.safetensors")
    state = next(out.glob("*000002-state"))
    train(
        max_train_steps=4, options=four, resume=str(state), skip_until_initial_step=True, output_name="again"
    )
    found = load_file(out / "again.safetensors")
    assert all(torch.equal(wanted[key], found[key]) for key in wanted)


def test_what_is_refused_before_the_model_is_loaded(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def said(told: Any) -> str:
        assert told.code == 2
        assert not [phase for phase in told.of(events.Phase) if phase.name == "model"]
        return "".join(message.text for message in told.of(events.Message))

    four = Options(base_4bit=True)
    assert "fp8_base" in said(train(options=four, mixed_precision="bf16", fp8_base=True))
    assert "networks.lora" in said(train(options=four, network_module="lycoris.kohya"))
    assert "DoRA" in said(
        train(
            mixed_precision="bf16",
            fp8_base=True,
            network_module="lycoris.kohya",
            network_args=["algo=loha", "dora_wd=True"],
        )
    )
    monkeypatch.setattr("loratui.trainer.settings.option_rules.find_spec", lambda name: None)
    assert "pip install bitsandbytes" in said(train(options=four))


def _with_scaler(monkeypatch: pytest.MonkeyPatch, *, bad: int) -> None:
    """A real scaler, but of a CPU, where accelerate has none; it unscales before clipping, as with fp16. The
    gradients of the first ``bad`` steps overflow."""
    from loratui.trainer import session

    made = session._accelerator
    left = [bad]

    def scaled(config: Any) -> Any:
        accelerator = made(config)
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=2.0)

        def unscale() -> None:
            optimizer = accelerator._optimizers[0].optimizer
            left[0] -= 1
            for group in optimizer.param_groups if left[0] >= 0 else ():
                for weight in group["params"]:
                    weight.grad.fill_(float("inf"))
            accelerator.scaler.unscale_(optimizer)

        monkeypatch.setattr(accelerator, "unscale_gradients", unscale)
        return accelerator

    monkeypatch.setattr(session, "_accelerator", scaled)


def test_the_schedule_waits_for_a_step_that_the_scaler_skips(
    train: Train, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _with_scaler(monkeypatch, bad=1)
    told = train(lr_scheduler="cosine", lr_warmup_steps=2, max_train_steps=4, save_state=True)
    steps = told.of(events.Step)
    assert [step.gradient_norm is None for step in steps] == [True, False, False, False]
    assert [step.rates["unet"] for step in steps] == pytest.approx([0.0, 0.0, 5e-3, 1e-2])
    assert (
        json.loads((tmp_path / "out" / "tiny-state" / "train_state.json").read_text())["schedule_step"] == 3
    )


def test_gradients_that_overflow_at_every_scale_are_no_numbers(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    _with_scaler(monkeypatch, bad=9)
    told = train(max_train_steps=9)
    assert told.code == 1
    assert 0 < len([step for step in told.of(events.Step) if step.finite]) < 9
    assert any(message.key == "loss_nan" for message in told.of(events.Message))


def test_half_gradients_can_be_unscaled() -> None:
    weight = nn.Parameter(torch.ones(2, dtype=torch.float16))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale((weight * 2).sum().float()).backward()  # type: ignore[no-untyped-call]
    with pytest.raises(ValueError, match="unscale FP16"):
        scaler.unscale_(optimizer)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    allow_half_gradients(scaler)
    scaler.scale(torch.zeros(1))
    scaler.unscale_(optimizer)
    assert weight.grad is not None
    assert weight.grad.tolist() == [2.0, 2.0]


def test_a_resumed_scaler_stands_where_it_stood(tmp_path: Path) -> None:
    def overflow(
        scaler: torch.amp.GradScaler, weight: nn.Parameter, optimizer: torch.optim.Optimizer
    ) -> None:
        scaler.scale((weight * 1e38).sum()).backward()  # type: ignore[no-untyped-call]
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    weight = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([weight], lr=0.5)
    scaler = torch.amp.GradScaler("cpu")
    overflow(scaler, weight, optimizer)
    scaler.scale(weight.sum() * 0).backward()  # type: ignore[no-untyped-call]
    scaler.step(optimizer)
    scaler.update()
    found = scaling_of(scaler)
    assert found == Scaling(32768.0, 1)
    path = tmp_path / "train_state.json"
    path.write_text(json.dumps(asdict(Progress(1, 2, 7, 3, 2, [0.5], found))))
    (tmp_path / "lora.safetensors").touch()
    read = read_progress(tmp_path)
    assert read.scaling == found
    fresh = torch.amp.GradScaler("cpu")
    go_on(fresh, read.scaling)
    assert (fresh.get_scale(), scaling_of(fresh)) == (32768.0, found)
    assert scaling_of(None) is None
    path.write_text(json.dumps({"current_step": 2, "scaling": [1]}))
    with pytest.raises(UserError):
        read_progress(tmp_path)
