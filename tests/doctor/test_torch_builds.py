"""Which torch fits which machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loratui.doctor.torch_builds import BUILDS, choose, index_url, runs_on, sm, tag_of, torchvision_for


@pytest.mark.parametrize(
    ("driver", "gpus", "machine", "tag"),
    [
        (None, [], "x86_64", "cpu"),
        (570, [(12, 0)], "x86_64", "cu128"),  # RTX 5090
        (560, [(12, 0)], "x86_64", None),  # its driver does not know the card
        (580, [(12, 1)], "aarch64", "cu128"),  # DGX Spark runs sm_120 code
        (550, [(8, 9)], "x86_64", "cu128"),  # RTX 4090
        (535, [(9, 0)], "x86_64", "cu128"),  # H100
        (535, [(6, 1)], "x86_64", "cu126"),  # GTX 1080
        (535, [(7, 0), (8, 0)], "x86_64", "cu126"),  # one build for all GPUs
        (470, [(8, 6)], "x86_64", "cu118"),
        (440, [(7, 5)], "x86_64", None),
        (580, [(6, 1), (12, 0)], "x86_64", None),  # no build holds both
        (535, [(3, 7)], "x86_64", None),  # K80
    ],
)
def test_the_build_for_a_machine(
    driver: int | None, gpus: list[tuple[int, int]], machine: str, tag: str | None
) -> None:
    build, why = choose(driver, gpus, machine)
    assert (build.tag if build else None) == tag
    assert why


@pytest.mark.parametrize(
    ("capability", "codes", "runs"),
    [
        ((12, 0), ["sm_80", "sm_90"], False),
        ((12, 0), ["sm_90", "sm_120"], True),
        ((12, 0), ["sm_90", "compute_90"], True),  # portable code is compiled on the spot
        ((12, 0), ["sm_90a"], False),
        ((9, 0), ["sm_90a"], True),
        ((8, 9), ["sm_86"], True),
        ((8, 6), ["sm_89"], False),
        ((7, 5), ["sm_70"], True),
        ((8, 0), ["compute_90"], False),
        ((8, 0), [], False),
        ((8, 0), ["gfx942", "rubbish"], False),
    ],
)
def test_which_code_runs_where(capability: tuple[int, int], codes: list[str], runs: bool) -> None:
    assert runs_on(capability, codes) is runs


@given(st.integers(400, 700), st.lists(st.sampled_from([a for b in BUILDS for a in b.architectures])))
def test_what_is_chosen_runs(driver: int, gpus: list[tuple[int, int]]) -> None:
    build, _ = choose(driver, gpus, "x86_64")
    if build and build.driver:
        assert driver >= build.driver
        assert all(runs_on(gpu, [sm(one) for one in build.architectures]) for gpu in gpus)


@pytest.mark.parametrize(
    ("torch", "torchvision"),
    [
        ("2.0.1", "0.15.*"),
        ("2.6.0+cu124", "0.21.*"),
        ("2.13.0+cpu", "0.28.*"),
        ("1.13.1", None),
        ("2.6.0a0+ecf3bae40a.nv25.1", None),  # NVIDIA's container
        ("2.9.0.dev20250901+cu128", None),
        ("", None),
    ],
)
def test_the_torchvision_of_a_torch(torch: str, torchvision: str | None) -> None:
    assert torchvision_for(torch) == torchvision


def test_builds_pair_torch_with_its_torchvision() -> None:
    for build in BUILDS:
        wanted = torchvision_for(build.torch)
        assert wanted is not None
        assert build.torchvision.startswith(wanted.rstrip("*"))


@pytest.mark.parametrize(
    ("version", "tag"), [("2.8.0+cu128", "cu128"), ("2.13.0+cpu", "cpu"), ("2.8.0", ""), ("2.6.0+git1", "")]
)
def test_where_a_version_came_from(version: str, tag: str) -> None:
    assert tag_of(version) == tag


def test_a_mirror_of_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    assert index_url("cu128") == "https://download.pytorch.org/whl/cu128"
    monkeypatch.setenv("LORATUI_TORCH_INDEX", "https://mirror.example/whl/")
    assert index_url("cu128") == "https://mirror.example/whl/cu128"
