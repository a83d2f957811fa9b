"""Optimizers by Kohya's names: each beside its own package, in real trainings, and across a resume."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loratui import events
from loratui.builtin import optimizers as builtin_optimizers
from loratui.trainer.optimizing import optimizers
from loratui.trainer.optimizing.flat_parameters import Flat
from loratui.trainer.optimizing.rates import rates_for
from loratui.trainer.settings.config import ConfigRefusedError, TrainConfig
from loratui.trainer.settings.config_file import load_config


@pytest.fixture
def config(write_config: Any) -> TrainConfig:
    return load_config(write_config(learning_rate=1e-2))


def with_optimizer(config: TrainConfig, name: str, *arguments: str, **changes: Any) -> TrainConfig:
    return dataclasses.replace(config, optimizer_type=name, optimizer_args=list(arguments), **changes)


def moved(config: TrainConfig, steps: int = 3) -> torch.Tensor:
    """A tensor after some steps on a fixed loss, as the trainer makes and moves its optimizer."""
    chosen = optimizers.choose(config)
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 5000).reshape(50, 100))
    optimizer = optimizers.create(config, chosen, [{"params": [weight], "lr": config.learning_rate}])
    rates = rates_for(config, chosen, optimizer, [config.learning_rate], steps)
    for step in range(steps):
        rates.set(step)
        torch.autograd.backward((weight**2).sum())
        optimizer.step()
        rates.advance()
        optimizer.zero_grad()
    return weight.detach()


def by_hand(make: Any, steps: int = 3) -> torch.Tensor:
    """The same steps by a package's own class."""
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 5000).reshape(50, 100))
    optimizer = make([weight])
    if hasattr(optimizer, "train"):
        optimizer.train()
    for _ in range(steps):
        torch.autograd.backward((weight**2).sum())
        optimizer.step()
        optimizer.zero_grad()
    return weight.detach()


def packages() -> dict[str, Any]:
    bnb: Any = import_module("bitsandbytes.optim")
    import dadaptation
    import dadaptation.experimental as dadaptation_too
    import lion_pytorch
    import prodigyopt
    import schedulefree
    from transformers.optimization import Adafactor

    rate = 1e-2
    return {
        "adamw": lambda w: torch.optim.AdamW(w, lr=rate),
        "AdamW8bit": lambda w: bnb.AdamW8bit(w, lr=rate),
        "Lion8bit": lambda w: bnb.Lion8bit(w, lr=rate),
        "SGDNesterov8bit": lambda w: bnb.SGD8bit(w, lr=rate, nesterov=True, momentum=0.9),
        "bitsandbytes.optim.AdEMAMix8bit": lambda w: bnb.AdEMAMix8bit(w, lr=rate),
        "LION": lambda w: lion_pytorch.Lion(w, lr=rate),
        "Adafactor": lambda w: Adafactor(w, lr=None, relative_step=True),
        "DAdaptation": lambda w: dadaptation_too.DAdaptAdamPreprint(w, lr=rate),
        "DAdaptAdam": lambda w: dadaptation.DAdaptAdam(w, lr=rate),
        "DAdaptLion": lambda w: dadaptation.DAdaptLion(w, lr=rate),
        "Prodigy": lambda w: prodigyopt.Prodigy(w, lr=rate),
        "AdamWScheduleFree": lambda w: schedulefree.AdamWScheduleFree(w, lr=rate),
        "SGDNesterov": lambda w: torch.optim.SGD(w, lr=rate, nesterov=True, momentum=0.9),
        "RAdam": lambda w: torch.optim.RAdam(w, lr=rate),
        "torch.optim.Adamax": lambda w: torch.optim.Adamax(w, lr=rate),
    }


def test_each_moves_as_its_package_does(config: TrainConfig) -> None:
    for name, make in packages().items():
        wanted = by_hand(make)
        # What torch moves with one kernel is rounded otherwise in the last bit.
        near = 1e-6 if name in ("adamw", "SGDNesterov") else 0.0
        found = moved(with_optimizer(config, name))
        assert torch.allclose(found, wanted, rtol=near, atol=near * 1e-2), name
        assert not torch.equal(wanted, by_hand(make, steps=2)), name


@pytest.mark.parametrize("name", ["AdamW8bit", "Lion8bit", "SGDNesterov8bit"])
def test_joined_weights_in_8_bit_are_single_ones_to_the_last_bit(config: TrainConfig, name: str) -> None:
    """Blocks of 256 stay whole, smaller and odd weights by themselves; states are cut and joined again."""
    chosen = optimizers.choose(with_optimizer(config, name))
    assert chosen.joinable
    shapes = [(16, 320), (640, 16), (16, 320), (4, 320), (4, 320), (41, 101), (16, 512)]

    def made() -> tuple[list[torch.nn.Parameter], Any]:
        torch.manual_seed(0)
        weights = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
        return weights, optimizers.create(config, chosen, [{"params": list(weights), "lr": 1e-2}])

    singles, single = made()
    weights, optimizer = made()
    flat = Flat(optimizer, chosen.joinable)
    for step in range(6):
        if step == 3:
            saved = flat.state_dict()
            assert_equal(saved, single.state_dict())
            _, optimizer = made()
            optimizer.param_groups[0]["params"] = list(weights)
            flat = Flat(optimizer, chosen.joinable)
            optimizer.load_state_dict(saved)
        for mine, theirs in zip(weights, singles, strict=True):
            theirs.grad = torch.randn_like(theirs)
            mine.grad = theirs.grad.clone()
        assert len(flat.gathered()) == 4
        for each in (single, optimizer):
            each.step()
            each.zero_grad()
        assert all(torch.equal(*pair) for pair in zip(weights, singles, strict=True))


def assert_equal(found: Any, wanted: Any) -> None:
    """Dictionaries of tensors and others, nested."""
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            assert_equal(found[key], wanted[key])
    elif isinstance(wanted, torch.Tensor):
        assert found.dtype == wanted.dtype
        assert torch.equal(found, wanted)
    else:
        assert found == wanted


# DAdaptSGD divides by the gradient's norm; the paged ones are the others on a CPU.
WITHOUT_A_GRADIENT = [
    name for name in builtin_optimizers.NAMES if name != "DAdaptSGD" and not name.startswith("Paged")
]


@pytest.mark.parametrize("name", WITHOUT_A_GRADIENT)
def test_those_that_break_in_float16_are_those_that_are_named(config: TrainConfig, name: str) -> None:
    """One step on weights whose gradient is 0, as it is in a fresh LoRA."""
    weight = torch.nn.Parameter(torch.zeros(64, 64, dtype=torch.float16))
    optimizer = optimizers.create(
        config,
        optimizers.choose(with_optimizer(config, name)),
        [{"params": [weight], "lr": 1e-3}],
        scaled=True,
    )
    weight.grad = torch.zeros_like(weight)
    optimizer.step()
    assert bool(weight.isnan().any()) == builtin_optimizers.breaks_in_float16(name, ())
    assert not builtin_optimizers.breaks_in_float16(name, ["eps=1e-4"])


def test_arguments_reach_the_optimizer(config: TrainConfig) -> None:
    given = with_optimizer(config, "AdamW", "weight_decay=0.5", "betas=(0.5, 0.9)", "eps=1e-3")
    wanted = by_hand(lambda w: torch.optim.AdamW(w, lr=1e-2, weight_decay=0.5, betas=(0.5, 0.9), eps=1e-3))
    assert torch.allclose(moved(given), wanted, rtol=1e-6)
    as_asked = with_optimizer(config, "AdamW", *(given.optimizer_args or ()), "foreach=False")
    assert torch.equal(moved(as_asked), wanted)
    assert optimizers.choose(given).words == (
        "torch.optim.adamw.AdamW(weight_decay=0.5,betas=(0.5, 0.9),eps=0.001)"
    )


def test_adafactor_with_a_rate_of_its_own_and_with_ours(config: TrainConfig) -> None:
    from transformers.optimization import Adafactor

    fixed = with_optimizer(config, "Adafactor", "relative_step=False", "scale_parameter=False")
    wanted = by_hand(lambda w: Adafactor(w, lr=1e-2, relative_step=False, scale_parameter=False))
    assert torch.equal(moved(fixed), wanted)
    assert not optimizers.choose(fixed).sets_own_rate
    # warmup_init wants relative_step, whatever else is said.
    assert optimizers.choose(
        with_optimizer(config, "Adafactor", "relative_step=False", "warmup_init=True")
    ).sets_own_rate


def test_another_makers_adafactor_trains_too(config: TrainConfig) -> None:
    pytest.importorskip("pytorch_optimizer")
    chosen = optimizers.choose(with_optimizer(config, "pytorch_optimizer.AdaFactor"))
    weight = torch.nn.Parameter(torch.ones(4, 4))
    optimizer = optimizers.create(config, chosen, [{"params": [weight], "lr": 1e-2}])
    weight.grad = torch.ones(4, 4)
    optimizer.step()
    assert optimizer.param_groups[0]["relative_step"]
    assert optimizers.rates_found(optimizer) == []


def test_what_cannot_be_loaded_is_refused(config: TrainConfig) -> None:
    for name in ("torch.optim.Nonsense", "json.nothing"):
        with pytest.raises(ConfigRefusedError, match="optimizer_type"):
            optimizers.choose(with_optimizer(config, name))


def test_a_missing_package_is_named_before_anything_is_loaded(
    train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(builtin_optimizers, "find_spec", lambda name: None)
    for name, line in (("Lion", "pip install lion-pytorch"), ("prodigyplus.X", "pip install prodigy-plus")):
        told = train(optimizer_type=name)
        assert told.code == 2
        assert line in told.of(events.Message)[-1].text
        assert [phase.name for phase in told.of(events.Phase)] == ["starting"]


@pytest.mark.parametrize(
    ("name", "rate", "more"),
    [
        ("AdamW8bit", 1e-2, {}),
        ("Adafactor", 1e-3, {}),
        ("DAdaptAdam", 1.0, {}),
        ("AdamWScheduleFree", 1e-2, {"optimizer_args": ["warmup_steps=2"]}),
        ("AdamW", 1e-2, {"lr_scheduler_type": "StepLR", "lr_scheduler_args": ["step_size=2", "gamma=0.5"]}),
    ],
)
def test_a_resumed_training_ends_bit_for_bit_like_an_unbroken_one(
    name: str, rate: float, more: dict[str, Any], train: Any, tmp_path: Path
) -> None:
    settings = {"optimizer_type": name, "learning_rate": rate, "network_dim": 16, **more}
    whole = train(max_train_steps=3, save_every_n_steps=2, save_state=True, output_name="whole", **settings)
    assert whole.code == 0, whole.events
    state = tmp_path / "out" / "whole-step00000002-state"
    rest = train(
        max_train_steps=3, resume=str(state), skip_until_initial_step=True, output_name="rest", **settings
    )
    assert rest.code == 0, rest.events
    stems = ["whole", "rest"]
    if name == "AdamWScheduleFree":
        # Saving goes to the averaged weights and back, which must leave no trace either.
        train(max_train_steps=3, output_name="undisturbed", **settings)
        stems.append("undisturbed")
    first, *others = (load_file(tmp_path / "out" / f"{stem}.safetensors") for stem in stems)
    for other in others:
        assert all(torch.equal(tensor, other[key]) for key, tensor in first.items())
    rates = [step.rates for step in whole.of(events.Step)]
    assert [step.rates for step in rest.of(events.Step)] == rates[2:]
    assert all(value > 0 for step in rates[1:] for value in step.values())
    if name == "DAdaptAdam":
        assert rates[0]["unet"] == pytest.approx(1e-6)


def test_schedule_free_files_hold_the_averaged_weights(train: Any, tmp_path: Path) -> None:
    train(optimizer_type="AdamWScheduleFree", save_state=True, max_train_steps=3)
    saved = load_file(tmp_path / "out" / "tiny.safetensors")
    training = load_file(tmp_path / "out" / "tiny-state" / "lora.safetensors")
    key = "lora_unet_mid_block_attentions_0_proj_in.lora_up.weight"
    assert not torch.equal(saved[key], training[key])
    assert torch.allclose(saved[key], training[key], atol=0.1)
