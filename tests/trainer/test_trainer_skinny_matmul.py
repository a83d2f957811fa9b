"""Products of few rows, with weights as a file stores them, beside torch's own in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from loratui.trainer.base.base_precision import pack_unet
from loratui.trainer.base.loading import load
from loratui.trainer.lora import low_rank
from loratui.trainer.lora.lora_layer import Dropout, LoraLayer
from loratui.trainer.nets import skinny_matmul
from loratui.trainer.nets.frozen import Conv2d, Linear
from loratui.trainer.nets.skinny_matmul import FEW, goes_in_blocks, product, product_back
from loratui.trainer.settings.config_file import load_config
from loratui.trainer.settings.options import Options
from tests.support.checkpoints import Made
from tests.trainer.conftest import Train

CPU = torch.device("cpu")
HALVES = (torch.float16, torch.bfloat16)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """As large a layer is treated as a large one, and goes in several blocks."""
    monkeypatch.setattr(skinny_matmul, "_LARGE", 1)
    monkeypatch.setattr(skinny_matmul, "_BLOCK", 24)
    monkeypatch.setattr(skinny_matmul, "_LEAST", 2)


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, FEW),
    inner=st.integers(1, 40),
    outer=st.integers(1, 700),
    dtype=st.sampled_from((*HALVES, torch.float32)),
    bias=st.booleans(),
)
def test_the_same_whatever_the_weight_is_stored_in(
    rows: int, inner: int, outer: int, dtype: torch.dtype, bias: bool
) -> None:
    torch.manual_seed(rows + inner * outer)
    weight = torch.randn(outer, inner).to(dtype)
    x, gradient = torch.randn(rows, inner), torch.randn(rows, outer)
    added = torch.randn(outer) if bias else None
    found, back = product(x, weight, added), product_back(gradient, weight)
    assert torch.equal(found, product(x, weight.float(), added))
    assert torch.equal(back, product_back(gradient, weight.float()))
    torch.testing.assert_close(found, functional.linear(x, weight.float(), added), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(back, gradient @ weight.float(), rtol=1e-4, atol=1e-4)


def passed(layer: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What comes out, and the gradient of what went in."""
    x = x.clone().requires_grad_()
    found = layer(x)
    return found.detach(), torch.autograd.grad(found, x, torch.ones_like(found).cumsum(-1))[0]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("layer", "few", "many"),
    [
        (Linear(10, 30), (2, 5, 10), (2, 90, 10)),
        (Linear(10, 30, bias=False), (3, 10), (17, 10)),
        (Conv2d(6, 30, 3, padding=1), (1, 6, 3, 4), (2, 6, 3, 4)),
        (Conv2d(6, 30, 3, padding=1, bias=False), (2, 6, 1, 1), (1, 6, 9, 7)),
        (Conv2d(6, 30, 3, stride=2, padding=1), (2, 6, 5, 4), (2, 6, 9, 7)),
        (Conv2d(6, 30, (3, 2), stride=(1, 2), dilation=2), (3, 6, 6, 4), (3, 6, 9, 9)),
        (Conv2d(6, 30, 1), (4, 6, 2, 2), (1, 6, 5, 5)),
    ],
)
@pytest.mark.parametrize("dtype", HALVES)
def test_a_layer_widens_its_weight_when_it_has_to(
    layer: nn.Linear | nn.Conv2d, few: tuple[int, ...], many: tuple[int, ...], dtype: torch.dtype
) -> None:
    layer.requires_grad_(False).float()
    stored = layer.weight.data.to(dtype)
    torchs = nn.Linear.forward if isinstance(layer, nn.Linear) else nn.Conv2d.forward
    layer.weight.data = stored.clone()
    x = torch.randn(few)
    first = passed(layer, x)
    with torch.no_grad():
        assert torch.equal(layer(x), first[0])
    assert layer.weight.dtype == dtype
    layer.weight.data = stored.float()
    torch.testing.assert_close(first, passed(lambda x: torchs(layer, x), x), rtol=1e-4, atol=1e-5)  # type: ignore[arg-type]
    layer.weight.data = stored.clone()
    x = torch.randn(many)
    found = passed(layer, x)
    assert layer.weight.dtype == torch.float32
    assert torch.equal(layer.weight, stored.float())
    torch.testing.assert_close(found, passed(lambda x: torchs(layer, x), x))  # type: ignore[arg-type]
    # A training that is resumed may meet its sizes in another order.
    x = torch.randn(few)
    layer.weight.data = stored.clone()
    before = passed(layer, x)
    layer.weight.data = stored.float()
    assert all(map(torch.equal, before, passed(layer, x)))


@pytest.mark.usefixtures("small")
def test_a_lora_on_a_weight_as_it_is_stored() -> None:
    for layer, shape in (
        (Linear(10, 30), (2, 4, 10)),
        (Linear(10, 30), (40, 10)),
        (Conv2d(10, 30, 1), (2, 10, 2, 2)),
        (Conv2d(10, 30, 1), (2, 10, 4, 4)),
    ):
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        layer.requires_grad_(False)
        x = torch.randn(shape)
        assert low_rank.fits(layer)
        lora = LoraLayer(layer, 3, 3.0)
        nn.init.normal_(lora.weights[1])
        layer.weight.data = layer.weight.data.half().float()
        wanted = [*passed(layer, x), *(weight.detach().clone() for weight in lora.weights)]
        layer.weight.data = layer.weight.data.half()
        found = [*passed(layer, x), *lora.weights]
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other)
        # What drops out goes another way.
        layer.weight.data = layer.weight.data.half()
        lora.dropout, lora._dropping = Dropout(neurons=0.5), True
        passed(layer, x)


def test_what_is_no_product_for_blocks() -> None:
    large = torch.empty(1024, 1024)
    assert goes_in_blocks(large, FEW, torch.float32)
    assert goes_in_blocks(large.half(), FEW, torch.float32)
    assert not goes_in_blocks(large, FEW + 1, torch.float32)
    assert not goes_in_blocks(large, FEW, torch.bfloat16)
    assert not goes_in_blocks(large[1:], FEW, torch.float32)
    assert not goes_in_blocks(large.to("meta"), FEW, torch.float32)
    assert not goes_in_blocks(large.to(torch.float8_e4m3fn), FEW, torch.float32)
    trained = Linear(4, 4)
    trained(torch.randn(2, 4)).sum().backward()
    assert trained.weight.grad is not None


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A single file whose weights are stored in float16, and ``wide.safetensors`` beside it, the same in
    float32."""
    made = Made("sd15", tmp_path_factory.mktemp("half"))
    stored = {key: tensor.half() for key, tensor in load_file(made.path).items()}
    made.configs.rename(made.path.parent / "sd15")
    save_file(stored, made.path)
    save_file(
        {key: tensor.float() for key, tensor in stored.items()}, made.path.with_name("wide.safetensors")
    )
    return made.path


@pytest.mark.parametrize("more", [{}, {"network_args": ["conv_dim=2"], "network_dropout": 0.3}])
def test_a_file_in_half_the_bits_trains_as_the_same_in_float32(
    half: Path, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: dict[str, Any]
) -> None:
    monkeypatch.setattr(skinny_matmul, "_LARGE", 1)
    weights = []
    for path in (half, half.with_name("wide.safetensors")):
        told = train(pretrained_model_name_or_path=str(path), max_train_steps=2, train_batch_size=2, **more)
        assert told.code == 0
        weights.append(load_file(tmp_path / "out" / "tiny.safetensors"))
    assert all(torch.equal(tensor, weights[1][key]) for key, tensor in weights[0].items())


@pytest.mark.usefixtures("small")
def test_weights_wait_only_where_their_layers_know_of_it(half: Path, write_config: Any) -> None:
    def kept(**changes: Any) -> dict[torch.dtype, int]:
        config = load_config(write_config(pretrained_model_name_or_path=str(half), **changes))
        unet = load(half, "sd15", torch.float32, as_stored=["unet"], decodes=False).unet
        pack_unet(config, Options(), unet, CPU)
        found: dict[torch.dtype, int] = {}
        for weight in unet.parameters():
            found[weight.dtype] = found.get(weight.dtype, 0) + weight.dim()
        return found

    waiting = kept()
    assert waiting.keys() == {torch.float16, torch.float32}
    assert waiting[torch.float16] > waiting[torch.float32]
    assert kept(mixed_precision="bf16").keys() == {torch.bfloat16}
    assert kept(network_module="lycoris.kohya").keys() == {torch.float32}
