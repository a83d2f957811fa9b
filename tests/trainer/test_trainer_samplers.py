"""Samplers by sd-scripts' names, beside what diffusers 0.32.1 makes of the same noise and answers."""

from __future__ import annotations

import pytest
import torch

from loratui.formats.sample_prompts import parse_prompt
from loratui.trainer.noise import alphas_cumprod, zero_terminal_snr
from loratui.trainer.samples.samplers import sampler_for, solve


def drawn(sampler: str, *, v: bool, schedule: torch.Tensor | None = None) -> torch.Tensor | None:
    generator = torch.Generator().manual_seed(3)
    noise = torch.randn(1, 4, 2, 2, generator=generator)
    return solve(
        lambda latents, timestep: torch.tanh(latents * 0.7 + timestep / 1000),
        noise,
        4,
        alphas_cumprod() if schedule is None else schedule,
        sampler,
        v_parameterization=v,
        generator=generator,
    )


@pytest.mark.parametrize(
    ("sampler", "v", "wanted"),
    [
        ("euler", False, [-7.00406, -3.05176, -13.48161]),
        ("euler_a", False, [-7.72589, -2.69013, -15.59437]),
        ("euler_a", True, [-0.40309, -0.25775, -0.39438]),
        ("dpmsolver++", False, [-4.13111, -1.75138, -10.36839]),
        ("dpmsolver++", True, [-0.30101, -0.19706, -0.45623]),
    ],
)
def test_as_diffusers_draws(sampler: str, v: bool, wanted: list[float]) -> None:
    found = drawn(sampler, v=v)
    assert found is not None
    assert found.flatten()[:3].tolist() == pytest.approx(wanted, abs=2e-5)


def test_nothing_left_at_the_last_timestep() -> None:
    for sampler in ("euler", "euler_a", "dpmsolver++"):
        found = drawn(sampler, v=True, schedule=zero_terminal_snr(alphas_cumprod()))
        assert found is not None
        assert found.isfinite().all()


def test_which_one_draws() -> None:
    assert sampler_for("ddim") == ("ddim", True)
    assert sampler_for("k_euler_a") == ("euler_a", True)
    assert sampler_for("heun") == ("dpmsolver++", False)
    assert sampler_for("k_dpm_2_a") == ("euler_a", False)
    assert sampler_for("none of them") == ("ddim", False)


def test_a_prompt_names_its_own() -> None:
    prompt = parse_prompt("a cat --W 512 --h 768 --ss euler_a --d 7", (1024, 1024))
    assert (prompt.text, prompt.width, prompt.height) == ("a cat", 512, 768)
    assert (prompt.sampler, prompt.seed) == ("euler_a", 7)
