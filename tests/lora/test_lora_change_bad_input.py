"""Whatever is wrong: one sentence, and nothing under the final name."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from loratui.lora.changing.combine import combine
from loratui.lora.changing.extract import extract
from loratui.lora.changing.merge import merge
from loratui.lora.changing.precision import change_precision
from loratui.lora.changing.rename import rename
from loratui.lora.changing.resize import resize
from loratui.problems import UserError
from tests.support.random_loras import LINEAR, PLACES, make_lora, small_checkpoint, targets

Change = Callable[[Path, Path, Path], object]
ALL: dict[str, Change] = {
    "merge": lambda base, lora, out: merge(base, [(lora, 1.0)], out),
    "combine": lambda _, lora, out: combine([(lora, 1.0), (lora, 1.0)], out),
    "resize": lambda _, lora, out: resize(lora, out, rank=1),
    "rename": lambda _, lora, out: rename(lora, out),
    "dtype": lambda _, lora, out: change_precision(lora, out, "fp16"),
    "extract": lambda base, lora, out: extract(lora, base, out, rank=1),
}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """(base, lora, out): two sound files and a name that is free."""
    base = small_checkpoint(tmp_path / "base.safetensors")
    return base, make_lora(tmp_path / "lora.safetensors"), tmp_path / "out.safetensors"


def refused(work: Callable[[], object], out: Path) -> str:
    """The one sentence; and that nothing was left behind."""
    before = sorted(out.parent.iterdir())
    with pytest.raises(UserError) as caught:
        work()
    assert sorted(out.parent.iterdir()) == before
    (line,) = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda data: data[:100], "cut off"),
        (lambda data: data[:-1], "cut off"),
        (lambda data: b"", "empty"),
        (lambda data: b"\x80\x02}q\x00." + data, "pickled"),
        (lambda data: b"PK\x03\x04" + data, "pickled"),
        (lambda data: b"\xff" * 8 + data[8:], "damaged"),
        (lambda data: data[:8] + b"[" + data[9:], "damaged"),
        (lambda data: data.replace(b'"data_offsets":[0', b'"data_offsets":[9', 1), "damaged"),
    ],
)
def test_a_damaged_or_hostile_file(
    files: tuple[Path, Path, Path], name: str, damage: Callable[[bytes], bytes], words: str
) -> None:
    base, lora, out = files
    lora.write_bytes(damage(lora.read_bytes()))
    assert words in refused(lambda: ALL[name](base, lora, out), out)


@pytest.mark.parametrize("name", ALL)
def test_a_name_that_is_taken(files: tuple[Path, Path, Path], name: str) -> None:
    base, lora, out = files
    out.write_text("mine")
    assert "exists already" in refused(lambda: ALL[name](base, lora, out), out)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("name", ["merge", "combine", "resize", "rename", "dtype"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_in_a_lora(files: tuple[Path, Path, Path], name: str, bad: float) -> None:
    base, lora, out = files
    tensors = load_file(lora)
    tensors[f"{LINEAR}.lora_up.weight"][1, 1] = bad
    save_file(tensors, lora)
    sentence = refused(lambda: ALL[name](base, lora, out), out)
    assert "NaN or infinite" in sentence
    assert LINEAR in sentence


@pytest.mark.parametrize("which", ["merge", "extract"])
def test_nan_in_a_checkpoint(files: tuple[Path, Path, Path], tmp_path: Path, which: str) -> None:
    base, lora, out = files
    tensors = load_file(base)
    tensors[PLACES[LINEAR]][0, 0] = math.nan
    broken = tmp_path / "broken.safetensors"
    save_file(tensors, broken)
    work = {
        "merge": lambda: merge(broken, [(lora, 1.0)], out),
        "extract": lambda: extract(broken, base, out, rank=1),
    }
    sentence = refused(work[which], out)
    assert "NaN or infinite" in sentence
    assert PLACES[LINEAR] in sentence


def test_a_number_that_does_not_fit_the_format(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, lora, out = files
    half = small_checkpoint(tmp_path / "half.safetensors", dtype=torch.float16)
    sentence = refused(lambda: merge(half, [(lora, 1e6)], out), out)
    assert "too large for f16" in sentence
    assert "--precision bf16" in sentence
    merge(half, [(lora, 1e6)], out, "bf16")


@pytest.mark.parametrize(("base", "made_for"), [("sd15", "sdxl"), ("sdxl", "sd15")])
def test_two_families(tiny_models: Path, tmp_path: Path, base: str, made_for: str) -> None:
    lora = make_lora(tmp_path / "lora.safetensors", targets(tiny_models / made_for))
    count = len(targets(tiny_models / made_for))
    out = tmp_path / "out"
    sentence = refused(lambda: merge(tiny_models / base, [(lora, 1.0)], out), out)
    assert f" of its {count} modules are not in {base}" in sentence
    one = make_lora(tmp_path / "one.safetensors", targets(tiny_models / "sd15"))
    two = make_lora(tmp_path / "two.safetensors", targets(tiny_models / "sdxl"))
    assert "for SDXL" in refused(lambda: combine([(one, 1.0), (two, 1.0)], out), out)


def test_the_right_names_with_other_widths(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, _, out = files
    lora = make_lora(tmp_path / "wide.safetensors", {LINEAR: (8, 10)})
    assert "has the shape [8, 10], and the model's is [8, 6]" in refused(
        lambda: merge(base, [(lora, 1.0)], out), out
    )


def test_a_small_file_that_asks_for_all_memory(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, _, out = files
    bomb = tmp_path / "bomb.safetensors"
    for names in (("lora_up.weight", "lora_down.weight"), ("lokr_w2_a", "lokr_w2_b")):
        tensors = {
            f"{LINEAR}.{names[0]}": torch.ones(300_000, 1),
            f"{LINEAR}.{names[1]}": torch.ones(1, 300_000),
        }
        if "lokr" in names[0]:
            tensors[f"{LINEAR}.lokr_w1"] = torch.ones(1, 1)
        save_file(tensors, bomb)
        assert "the model's is [8, 6]" in refused(lambda: merge(base, [(bomb, 1.0)], out), out)


def test_half_of_a_lora_and_what_is_none(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, lora, out = files
    tensors = load_file(lora)
    del tensors[f"{LINEAR}.lora_up.weight"]
    save_file(tensors, lora)
    assert "is missing (up)" in refused(lambda: merge(base, [(lora, 1.0)], out), out)
    assert "this is no LoRA" in refused(lambda: resize(base, out, rank=1), out)
    assert "no checkpoint" in refused(lambda: merge(lora, [(lora, 1.0)], out), out)
    other = make_lora(tmp_path / "flux.safetensors", {"lora_transformer_blocks_0": (4, 4)})
    assert "no module of Stable Diffusion" in refused(lambda: merge(base, [(other, 1.0)], out), out)


def test_names_that_contradict_each_other(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    base, _, out = files
    odd = make_lora(tmp_path / "odd.safetensors", {LINEAR: (8, 6)})
    tensors = load_file(odd)
    again = "lora_unet_input_blocks_1_1_transformer_blocks_0_attn2_to_k.alpha"
    save_file(tensors | {again: torch.tensor(1.0)}, odd)
    assert "the same thing" in refused(lambda: merge(base, [(odd, 1.0)], out), out)
    dotted = "unet.down_blocks.0.attentions.0.proj_in.lora_A.weight"
    save_file(tensors | {dotted: torch.ones(2, 8)}, odd)
    assert "mixes" in refused(lambda: merge(base, [(odd, 1.0)], out), out)


LIMITED = """
import resource, sys
from pathlib import Path
from types import SimpleNamespace
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
from loratui.cli.door import cli
from loratui.problems import UserError
try:
    cli(sys.argv[1:], standalone_mode=False)
except UserError as error:
    print(error)
    sys.exit(1)
"""


@pytest.mark.parametrize("command", ["merge", "resize", "convert"])
def test_a_disk_that_is_full_in_the_middle(tiny_models: Path, tmp_path: Path, command: str) -> None:
    base, out = tiny_models / "sd15", tmp_path / "out"
    lora = make_lora(tmp_path / "lora.safetensors", targets(base))
    arguments = {
        "merge": [str(base), str(lora)],
        "resize": [str(lora), "--rank", "1"],
        "convert": [str(base)],
    }[command]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "lora", command, *arguments, "-o", str(out)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "could not be saved: File too large. Make room" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [lora.name]


def test_too_little_room_is_said_before_the_work(
    files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:

    base, lora, out = files
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1_000))
    assert "1,000 are free on its disk" in refused(lambda: merge(base, [(lora, 1.0)], out), out)
