"""The norm from the factors is the norm of the whole addition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.lora.checking.strength import delta_norm, product_norm

Sizes = st.integers(1, 12)
Seeds = st.integers(0, 2**32 - 1)


def arrays(seed: int, *shapes: tuple[int, ...]) -> list[Any]:
    random = np.random.default_rng(seed)
    return [random.normal(0, 1, shape).astype("f4") for shape in shapes]


def dense(array: Any) -> Any:
    return pytest.approx(float(np.linalg.norm(np.asarray(array, "f8"))), rel=1e-5, abs=1e-9)


@given(Sizes, Sizes, Sizes, Seeds)
def test_a_lora(outputs: int, rank: int, inputs: int, seed: int) -> None:
    up, down = arrays(seed, (outputs, rank), (rank, inputs))
    assert delta_norm("lora", {"up": up, "down": down}) == dense(up.astype("f8") @ down)


@given(Sizes, Sizes, Sizes, Seeds, st.floats(0.01, 100))
def test_it_grows_with_its_halves(outputs: int, rank: int, inputs: int, seed: int, factor: float) -> None:
    up, down = arrays(seed, (outputs, rank), (rank, inputs))
    assert product_norm(up * np.float64(factor), down) == pytest.approx(
        factor * product_norm(up, down), rel=1e-6
    )


def test_ranks_that_oppose_each_other_cancel() -> None:
    up, down = arrays(3, (9, 4), (4, 7))
    both_up, both_down = np.hstack([up, -up]), np.vstack([down, down])
    assert product_norm(both_up, both_down) == pytest.approx(0, abs=1e-6)


@given(Sizes, Sizes, Sizes, st.sampled_from([1, 3]), Seeds)
def test_a_locon(outputs: int, rank: int, inputs: int, kernel: int, seed: int) -> None:
    up, down = arrays(seed, (outputs, rank, 1, 1), (rank, inputs, kernel, kernel))
    whole = np.einsum("or,rikl->oikl", up[..., 0, 0], down)
    assert delta_norm("lora", {"up": up, "down": down}) == dense(whole)


@given(Sizes, Sizes, Sizes, Seeds)
def test_a_convolution_in_three_factors(outputs: int, rank: int, inputs: int, seed: int) -> None:
    up, mid, down = arrays(seed, (outputs, rank, 1, 1), (rank, rank, 3, 3), (rank, inputs, 1, 1))
    whole = np.einsum("oa,abkl,bi->oikl", up[..., 0, 0], mid, down[..., 0, 0])
    assert delta_norm("lora", {"up": up, "down": down, "mid": mid}) == dense(whole)


@given(st.integers(1, 600), Sizes, Sizes, Seeds)
def test_a_loha(outputs: int, rank: int, inputs: int, seed: int) -> None:
    a, b, c, d = arrays(seed, (outputs, rank), (rank, inputs), (outputs, rank), (rank, inputs))
    parts = {"hada_w1_a": a, "hada_w1_b": b, "hada_w2_a": c, "hada_w2_b": d}
    assert delta_norm("loha", parts) == dense((a @ b) * (c @ d))


@given(Sizes, Sizes, Sizes, Seeds)
def test_a_loha_of_convolutions(outputs: int, rank: int, inputs: int, seed: int) -> None:
    shapes = [(rank, rank, 3, 3), (rank, outputs), (rank, inputs)] * 2
    t1, a1, b1, t2, a2, b2 = arrays(seed, *shapes)

    def whole(core: Any, first: Any, second: Any) -> Any:  # LyCORIS, rebuild_tucker
        return np.einsum("ijkl,ip,jr->prkl", core, first, second)

    parts = {"hada_t1": t1, "hada_w1_a": a1, "hada_w1_b": b1, "hada_t2": t2, "hada_w2_a": a2, "hada_w2_b": b2}
    assert delta_norm("loha", parts) == dense(whole(t1, a1, b1) * whole(t2, a2, b2))


@given(Sizes, Sizes, Sizes, Sizes, Sizes, Seeds)
def test_a_lokr(rows: int, columns: int, outputs: int, rank: int, inputs: int, seed: int) -> None:
    first, a, b = arrays(seed, (rows, columns), (outputs, rank), (rank, inputs))
    parts = {"lokr_w1": first, "lokr_w2_a": a, "lokr_w2_b": b}
    assert delta_norm("lokr", parts) == dense(np.kron(first, a @ b))


@given(Sizes, Sizes, Sizes, Seeds)
def test_a_lokr_of_convolutions(outputs: int, rank: int, inputs: int, seed: int) -> None:
    first, core, a, b = arrays(seed, (3, 2), (rank, rank, 3, 3), (rank, outputs), (rank, inputs))
    second = np.einsum("ijkl,ip,jr->prkl", core, a, b)
    parts = {"lokr_w1": first, "lokr_t2": core, "lokr_w2_a": a, "lokr_w2_b": b}
    assert delta_norm("lokr", parts) == dense(np.kron(first[:, :, None, None], second))


def test_kinds_that_depend_on_the_weights_are_left_out() -> None:
    assert delta_norm("ia3", {"weight": np.ones(3, "f4")}) is None
