from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from loratui.formats.tensorfile import read_header
from loratui.lora.changing.merge import merge
from loratui.problems import UserError
from tests.support.random_loras import LINEAR, MODULES, PLACES, deltas, make_lora, small_checkpoint, targets

strengths = st.floats(-2, 2, allow_nan=False, width=32)


def raw(path: Path, name: str) -> bytes:
    header = read_header(path)
    tensor = header.tensors[name]
    return path.read_bytes()[header.data_start + tensor.begin : header.data_start + tensor.end]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_every_layer_gets_its_sum_rounded_once_and_the_rest_is_copied(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors", dtype=dtype)
    first = make_lora(tmp_path / "a.safetensors", seed=1, rank=3, alpha=1.5)
    second = make_lora(tmp_path / "b.safetensors", seed=2, rank=2, alpha=None, dtype=torch.float16)
    out = tmp_path / "out.safetensors"
    done = merge(base, [(first, 0.8), (second, -0.5)], out)
    assert done.modules == (4, 4)
    assert done.tensors_changed == 4
    before, after = load_file(base), load_file(out)
    one, two = deltas(first), deltas(second)
    for name, place in PLACES.items():
        wanted = before[place].double() + 0.8 * one[name] - 0.5 * two[name]
        assert after[place].dtype == dtype
        # One rounding in the file's format, and those of the sum in float32.
        step = 0.5 * torch.finfo(dtype).eps * wanted.abs() + 1e-6
        assert bool(((after[place].double() - wanted).abs() <= step).all())
    assert list(before) == list(after)
    for name in set(before) - set(PLACES.values()):
        assert raw(base, name) == raw(out, name)
    with safe_open(out, "pt") as file:
        assert file.metadata()["note"] == "kept"
        assert "a:0.8, b:-0.5" in file.metadata()["loratui.merged"]


@pytest.mark.parametrize(("precision", "dtype"), [("fp16", "F16"), ("bf16", "BF16"), ("float", "F32")])
def test_a_precision_is_that_of_every_number_with_a_fraction(
    tmp_path: Path, precision: str, dtype: str
) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors")
    lora = make_lora(tmp_path / "a.safetensors")
    out = tmp_path / "out.safetensors"
    merge(base, [(lora, 1.0)], out, precision)
    kinds = {name: tensor.dtype for name, tensor in read_header(out).tensors.items()}
    assert kinds.pop("cond_stage_model.transformer.text_model.embeddings.position_ids") == "I64"
    assert set(kinds.values()) == {dtype}
    place = PLACES["lora_unet_down_blocks_0_attentions_0_proj_in"]
    exact = load_file(base)[place] + deltas(lora)["lora_unet_down_blocks_0_attentions_0_proj_in"].float()
    torch.testing.assert_close(load_file(out)[place].float(), exact, rtol=1e-2, atol=1e-3)


def test_strength_zero_is_the_same_file_of_tensors(tmp_path: Path) -> None:
    base = small_checkpoint(tmp_path / "base.safetensors", dtype=torch.float16)
    out = tmp_path / "out.safetensors"
    merge(base, [(make_lora(tmp_path / "a.safetensors"), 0.0)], out)
    for name in load_file(base):
        assert raw(base, name) == raw(out, name)


@settings(max_examples=15, deadline=None)
@given(strengths, st.integers(0, 1000), st.integers(1, 6))
def test_there_and_back_is_where_it_was(strength: float, seed: int, rank: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        base = small_checkpoint(folder / "base.safetensors", seed)
        lora = make_lora(folder / "a.safetensors", seed=seed + 1, rank=rank)
        merge(base, [(lora, strength)], folder / "there.safetensors")
        merge(folder / "there.safetensors", [(lora, -strength)], folder / "back.safetensors")
        before, after = load_file(base), load_file(folder / "back.safetensors")
        for key in before:
            torch.testing.assert_close(after[key], before[key], rtol=0, atol=2e-6)


@settings(max_examples=15, deadline=None)
@given(strengths, strengths, st.integers(0, 1000))
def test_together_is_one_after_the_other(one: float, two: float, seed: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        base = small_checkpoint(folder / "base.safetensors", seed)
        a = make_lora(folder / "a.safetensors", seed=seed + 1)
        b = make_lora(folder / "b.safetensors", seed=seed + 2, rank=5)
        merge(base, [(a, one), (b, two)], folder / "both.safetensors")
        merge(base, [(b, two)], folder / "b1.safetensors")
        merge(folder / "b1.safetensors", [(a, one)], folder / "b2.safetensors")
        both, after = load_file(folder / "both.safetensors"), load_file(folder / "b2.safetensors")
        for key in both:
            torch.testing.assert_close(after[key], both[key], rtol=0, atol=2e-6)


def test_a_text_encoder_with_q_k_and_v_in_one_tensor(tiny_models: Path, tmp_path: Path) -> None:
    from loratui.lora.changing.convert import to_single_file

    single = tmp_path / "xl.safetensors"
    to_single_file(tiny_models / "sdxl", single)
    modules = {name: shape for name, shape in targets(tiny_models / "sdxl").items() if "te2" in name}
    one = {name: shape for name, shape in modules.items() if name.endswith("layers_1_self_attn_k_proj")}
    lora = make_lora(tmp_path / "k.safetensors", one)
    merge(single, [(lora, 1.0)], tmp_path / "out.safetensors")
    name = "conditioner.embedders.1.model.transformer.resblocks.1.attn.in_proj_weight"
    before, after = load_file(single), load_file(tmp_path / "out.safetensors")
    change = (after.pop(name) - before.pop(name)).chunk(3)
    (delta,) = deltas(lora).values()
    torch.testing.assert_close(change[1], delta.float(), rtol=0, atol=1e-6)
    assert not change[0].any()
    assert not change[2].any()
    assert all(torch.equal(before[key], after[key]) for key in before)


def kronecker(generator: torch.Generator) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    name = LINEAR
    first, a, b = (torch.randn(shape, generator=generator) for shape in ((2, 3), (4, 1), (1, 2)))
    tensors = {f"{name}.lokr_w1": first, f"{name}.lokr_w2_a": a, f"{name}.lokr_w2_b": b}
    return tensors | {f"{name}.alpha": torch.tensor(0.5)}, torch.kron(first, a @ b) * 0.5


def hadamard(generator: torch.Generator) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    name = LINEAR
    shapes = {"w1_a": (8, 2), "w1_b": (2, 6), "w2_a": (8, 2), "w2_b": (2, 6)}
    parts = {key: torch.randn(shape, generator=generator) for key, shape in shapes.items()}
    whole = (parts["w1_a"] @ parts["w1_b"]) * (parts["w2_a"] @ parts["w2_b"]) * (1.0 / 2)
    return {f"{name}.hada_{key}": part for key, part in parts.items()} | {
        f"{name}.alpha": torch.tensor(1.0)
    }, whole


@pytest.mark.parametrize("kind", [kronecker, hadamard])
def test_lokr_and_loha(tmp_path: Path, kind: object) -> None:
    assert callable(kind)
    tensors, delta = kind(torch.Generator().manual_seed(3))
    save_file(tensors, tmp_path / "l.safetensors")
    base = small_checkpoint(tmp_path / "base.safetensors")
    merge(base, [(tmp_path / "l.safetensors", 2.0)], tmp_path / "out.safetensors")
    place = PLACES[LINEAR]
    change = load_file(tmp_path / "out.safetensors")[place] - load_file(base)[place]
    torch.testing.assert_close(change, 2 * delta, rtol=1e-5, atol=1e-5)


def test_dora_is_refused(tmp_path: Path) -> None:
    lora = make_lora(tmp_path / "a.safetensors")
    tensors = load_file(lora) | {f"{name}.dora_scale": torch.ones(8, 1) for name in MODULES}
    save_file(tensors, lora)
    base = small_checkpoint(tmp_path / "base.safetensors")
    with pytest.raises(UserError, match="DoRA"):
        merge(base, [(lora, 1.0)], tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_a_folder_stays_a_folder(tiny_models: Path, tmp_path: Path) -> None:
    base = tiny_models / "sd15"
    lora = make_lora(tmp_path / "a.safetensors", targets(base))
    out = tmp_path / "out"
    merge(base, [(lora, 1.0)], out)
    names = sorted(file.relative_to(base) for file in base.rglob("*") if file.is_file())
    assert sorted(file.relative_to(out) for file in out.rglob("*") if file.is_file()) == names
    for name in names:
        same = (base / name).read_bytes() == (out / name).read_bytes()
        assert same == (name.parts[0] not in ("unet", "text_encoder") or name.suffix == ".json")
