"""Weights joined to large ones: an optimizer moves them like single ones, and its states are the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from loratui import kohya_config
from loratui.builtin import optimizers as builtin_optimizers
from loratui.trainer import stacks
from loratui.trainer.optimizing import flat_parameters, optimizers
from loratui.trainer.optimizing.flat_parameters import Flat
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.config_file import load_config


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory, tiny_models: dict[str, Path]) -> TrainConfig:
    folder = tmp_path_factory.mktemp("flat")
    path = folder / "config.toml"
    values = {
        "pretrained_model_name_or_path": str(tiny_models["sd15"]),
        "train_data_dir": str(folder),
        "output_dir": str(folder),
        "resolution": "64,64",
        "network_module": "networks.lora",
    }
    path.write_text(kohya_config.dumps({"all": values}))
    return load_config(path)


class Trained:
    """Weights and an optimizer, joined or not."""

    def __init__(
        self, config: TrainConfig, name: str, starts: Sequence[Sequence[Tensor]], *, joined: bool
    ) -> None:
        fact = builtin_optimizers.find(name)
        assert fact is not None
        finds = fact.module in ("prodigyopt", "dadaptation")
        rate, arguments = (1.0, ["d0=0.01"]) if finds else (1e-2, None)
        config = dataclasses.replace(
            config, optimizer_type=name, optimizer_args=arguments, learning_rate=rate
        )
        chosen = optimizers.choose(config)
        assert chosen.joinable
        self.groups = [[nn.Parameter(start.clone()) for start in group] for group in starts]
        self.weights = [weight for group in self.groups for weight in group]
        groups = [{"params": group, "lr": rate} for group in self.groups]
        self.optimizer: Any = optimizers.create(config, chosen, groups)
        self.flat = Flat(self.optimizer, chosen.joinable) if joined else None

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        for weight, gradient in zip(self.weights, gradients, strict=True):
            weight.grad = None if gradient is None else gradient.clone()
        moved = self.flat.gathered() if self.flat else []
        values = torch.cat([torch.zeros(1), *(one.flatten() for one in gradients if one is not None)])
        if self.flat:
            assert torch.allclose(flat_parameters.norm_of(moved).float(), values.norm())
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        assert all(weight.grad is None for weight in self.weights) or not self.flat

    def state(self) -> Any:
        return (self.flat or self.optimizer).state_dict()


NAMES = sorted(builtin_optimizers.JOINABLE)


@st.composite
def networks(draw: st.DrawFn) -> list[list[Tensor]]:
    """Groups of downs and ups (which start as zeros), a convolution's and a lone number among them."""
    sizes = st.integers(1, 6)
    groups = []
    for _ in range(draw(st.integers(1, 2))):
        group = []
        for _ in range(draw(st.integers(1, 4))):
            rank, inner, outer = draw(sizes), draw(sizes), draw(sizes)
            kernel = [1, 1] if draw(st.booleans()) else []
            group += [torch.randn(rank, inner, *kernel), torch.zeros(outer, rank, *kernel)]
        groups.append(group)
    if draw(st.booleans()):
        groups[0].append(torch.randn(3))
    return groups


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=4, deadline=None, phases=[Phase.generate])
@given(data=st.data())
def test_joined_weights_move_like_single_ones(config: TrainConfig, name: str, data: st.DataObject) -> None:
    torch.manual_seed(data.draw(st.integers(0, 1000)))
    starts = data.draw(networks())
    count = sum(map(len, starts))
    left_out = data.draw(st.sets(st.integers(0, count - 1), max_size=count - 1))
    single, joined = (Trained(config, name, starts, joined=joined) for joined in (False, True))

    goals = [torch.randn_like(weight) for weight in single.weights]

    def gradients(without: set[int]) -> list[Tensor | None]:
        pairs = enumerate(zip(single.weights, goals, strict=True))
        return [None if number in without else weight.detach() - goal for number, (weight, goal) in pairs]

    for _ in range(3):
        each = gradients(left_out)
        for trained in (single, joined):
            trained.step(each)
    assert_like(joined, single)

    # Across a state, a fresh one ends where the first one does, to the last bit.
    again = Trained(config, name, starts, joined=True)
    again.optimizer.load_state_dict(joined.state())
    with torch.no_grad():
        for mine, theirs in zip(again.weights, joined.weights, strict=True):
            mine.copy_(theirs)
    each = gradients(left_out)
    for trained in (single, joined, again):
        trained.step(each)
    assert all(torch.equal(*pair) for pair in zip(again.weights, joined.weights, strict=True))

    # One that misses a gradient for once is passed over, and everything goes on.
    more = left_out | {data.draw(st.integers(0, count - 1))}
    each = gradients(more if len(more) < count else left_out)
    for trained in (single, joined):
        trained.step(each)
        trained.step(each)
    assert_like(joined, single)


def assert_like(found: Trained, wanted: Trained) -> None:
    """Sums over all elements are rounded otherwise, and so may be the last elements of a tensor."""
    for mine, theirs in zip(found.weights, wanted.weights, strict=True):
        assert_near(mine, theirs)
    mine, theirs = found.state(), wanted.state()
    assert list(mine["state"]) == list(theirs["state"])
    for number, state in theirs["state"].items():
        own = mine["state"][number]
        assert list(own) == list(state)
        for key, value in state.items():
            if isinstance(value, Tensor):
                assert (own[key].shape, own[key].dtype) == (value.shape, value.dtype), key
                assert_near(own[key], value)
            else:
                assert own[key] == value, key
    for own, group in zip(mine["param_groups"], theirs["param_groups"], strict=True):
        assert own.keys() == group.keys()
        for key, value in group.items():
            is_sum = isinstance(value, float | Tensor)
            assert own[key] == (pytest.approx(float(value), rel=1e-4) if is_sum else value), key


def assert_near(found: Tensor, wanted: Tensor) -> None:
    assert (found - wanted).norm() <= 1e-4 * wanted.norm()


def test_large_networks_are_joined_in_parts(config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(stacks._MOST, "cpu", 10)
    trained = Trained(config, "Lion", [[torch.ones(2, 3) for _ in range(4)]], joined=True)
    trained.step([torch.ones(2, 3)] * 4)
    assert [weight.numel() for weight in trained.optimizer.param_groups[0]["params"]] == [6] * 4
    monkeypatch.setitem(stacks._MOST, "cpu", 12)
    trained = Trained(config, "Lion", [[torch.ones(2, 3) for _ in range(5)]], joined=True)
    trained.step([torch.ones(2, 3)] * 5)
    assert sorted(weight.numel() for weight in trained.optimizer.param_groups[0]["params"]) == [6, 12, 12]


def test_what_takes_some_elements_of_each_is_not_joined() -> None:
    def joins(name: str, **arguments: object) -> bool:
        fact = builtin_optimizers.find(name)
        assert fact is not None
        return optimizers.Chosen(fact, None, arguments).joinable is not None

    assert not any(map(joins, ("Adafactor", "AdamW", "PagedAdamW8bit", "torch.optim.Muon")))
    assert not joins("Prodigy", slice_p=11)
    assert joins("Prodigy", slice_p=1)
    assert joins("RAdam")
    assert not joins("RAdam", differentiable=True)


@pytest.mark.parametrize("more", [{}, {"network_args": ["module_dropout=0.5"]}])
def test_a_training_with_prodigy(train: Any, tmp_path: Path, more: dict[str, Any]) -> None:
    """Text encoder and all; with module_dropout weights stay single, since others miss each time."""
    told = train(
        optimizer_type="Prodigy",
        learning_rate=1.0,
        network_train_unet_only=False,
        clip_skip=2,
        max_train_steps=2,
        save_state=True,
        scale_weight_norms=0.5,
        **more,
    )
    assert told.code == 0, told.events
    saved = torch.load(tmp_path / "out" / "tiny-state" / "optimizer.pt", weights_only=True)
    states = saved["state"].values()
    assert sum(len(group["params"]) for group in saved["param_groups"]) > len(states) > 10
    assert {state["step"] for state in states} == ({1, 2} if more else {2})
