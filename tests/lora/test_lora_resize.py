from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from loratui.lora.changing.combine import combine
from loratui.lora.changing.resize import resize
from tests.support.random_loras import MODULES, deltas, make_lora

seeds = st.integers(0, 1000)
ranks = st.integers(1, 6)
strengths = st.floats(-2, 2, allow_nan=False, width=32)


def distance(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> float:
    """Length of the difference over the length of the first."""
    lost = sum(float((one[name] - two[name]).square().sum()) for name in one)
    return float((lost / sum(float(delta.square().sum()) for delta in one.values())) ** 0.5)


@settings(max_examples=15, deadline=None)
@given(seeds, ranks, st.sampled_from([None, 1.0, 8.0]))
def test_the_rank_it_has_changes_nothing(seed: int, rank: int, alpha: float | None) -> None:
    with TemporaryDirectory() as name:
        lora = make_lora(Path(name) / "a.safetensors", seed=seed, rank=rank, alpha=alpha)
        out = Path(name) / "out.safetensors"
        done = resize(lora, out, rank=rank)
        assert distance(deltas(lora), deltas(out)) < 1e-5
        assert done.kept_energy == pytest.approx(1.0)
        assert (done.rank_before, done.rank_most) == (rank, rank)


@settings(max_examples=15, deadline=None)
@given(seeds, st.integers(1, 5))
def test_what_is_said_to_be_lost_is_what_is_lost(seed: int, rank: int) -> None:
    with TemporaryDirectory() as name:
        lora = make_lora(Path(name) / "a.safetensors", seed=seed, rank=6, alpha=3.0)
        out = Path(name) / "out.safetensors"
        done = resize(lora, out, rank=rank)
        assert distance(deltas(lora), deltas(out)) == pytest.approx(done.error, abs=1e-5)
        tensors = load_file(out)
        for module in MODULES:
            # the strength stays: alpha keeps its ratio to the rank
            assert float(tensors[f"{module}.alpha"]) == pytest.approx(3.0 * rank / 6)
            assert tensors[f"{module}.lora_down.weight"].shape[0] == rank


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_a_higher_rank_keeps_more_and_a_higher_share_takes_more_rank(seed: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        lora = make_lora(folder / "a.safetensors", seed=seed, rank=6)
        kept = [resize(lora, folder / f"r{rank}.safetensors", rank=rank).kept_energy for rank in range(1, 7)]
        assert kept == sorted(kept)
        shares = (0.3, 0.6, 0.9, 0.99, 1.0)
        by_share = [resize(lora, folder / f"k{share}.safetensors", keep=share) for share in shares]
        assert all(done.worst_kept >= share - 1e-9 for done, share in zip(by_share, shares, strict=True))
        assert [done.rank_most for done in by_share] == sorted(done.rank_most for done in by_share)
        assert by_share[-1].rank_least == 6


def test_no_lora_of_that_rank_is_nearer(tmp_path: Path) -> None:
    lora = make_lora(tmp_path / "a.safetensors", rank=5)
    resize(lora, tmp_path / "out.safetensors", rank=2)
    before, after = deltas(lora), deltas(tmp_path / "out.safetensors")
    for name, delta in before.items():
        values = torch.linalg.svdvals(delta.flatten(1))
        best = float(values[2:].square().sum().sqrt())
        assert float((delta - after[name]).norm()) == pytest.approx(best, rel=1e-4)


def test_metadata_and_hashes_are_put_right(tmp_path: Path) -> None:
    import hashlib

    old = {
        "ss_network_dim": "4",
        "ss_network_alpha": "4.0",
        "ss_sd_model_hash": "x",
        "sshs_model_hash": "old",
    }
    lora = make_lora(tmp_path / "a.safetensors", rank=4, alpha=4.0, metadata=old, dtype=torch.float16)
    out = tmp_path / "out.safetensors"
    resize(lora, out, rank=2)
    with safe_open(out, "pt") as file:
        metadata = file.metadata()
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float16}  # noqa: SIM118
    assert (metadata["ss_network_dim"], metadata["ss_network_alpha"]) == ("2", "2")
    assert metadata["ss_sd_model_hash"] == "x"
    data = out.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    assert metadata["sshs_model_hash"] == hashlib.sha256(data[start:]).hexdigest()
    assert len(metadata["sshs_legacy_hash"]) == 8


@settings(max_examples=15, deadline=None)
@given(seeds, ranks, ranks, strengths, strengths)
def test_side_by_side_is_the_sum(seed: int, one: int, two: int, weight: float, other: float) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        a = make_lora(folder / "a.safetensors", seed=seed, rank=one)
        half = dict(list(MODULES.items())[1:])
        b = make_lora(folder / "b.safetensors", half, seed=seed + 1, rank=two, alpha=None)
        done = combine([(a, weight), (b, other)], folder / "out.safetensors")
        assert (done.rank_least, done.rank_most) == (one, one + two)
        first, second, both = deltas(a), deltas(b), deltas(folder / "out.safetensors")
        for module in MODULES:
            wanted = weight * first[module]
            if module in second:
                wanted = wanted + other * second[module]
            torch.testing.assert_close(both[module], wanted, rtol=0, atol=2e-6)


@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(1, 4))
def test_cut_to_a_rank_is_the_sum_resized(seed: int, rank: int) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        a = make_lora(folder / "a.safetensors", seed=seed, rank=3)
        b = make_lora(folder / "b.safetensors", seed=seed + 1, rank=2)
        combine([(a, 1.0), (b, 0.5)], folder / "whole.safetensors")
        done = combine([(a, 1.0), (b, 0.5)], folder / "cut.safetensors", rank=rank)
        resized = resize(folder / "whole.safetensors", folder / "resized.safetensors", rank=rank)
        assert done.kept_energy == pytest.approx(resized.kept_energy, abs=1e-5)
        assert done.rank_most == rank
        assert distance(deltas(folder / "cut.safetensors"), deltas(folder / "resized.safetensors")) < 1e-4


def test_a_lora_and_its_opposite_are_nothing(tmp_path: Path) -> None:
    lora = make_lora(tmp_path / "a.safetensors")
    combine([(lora, 1.0), (lora, -1.0)], tmp_path / "out.safetensors", rank=2)
    assert all(not delta.abs().max() > 1e-6 for delta in deltas(tmp_path / "out.safetensors").values())
