"""Several processes: two real ones over gloo, that stop and go on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from loratui import events, kohya_config
from loratui.advice.steps import count_config
from loratui.events import PREFIX, decode_event
from loratui.trainer.distributed import Together


@pytest.mark.parametrize(("count", "world"), [(6, 2), (5, 2), (1, 3), (7, 3)])
def test_every_process_gets_as_many_batches(count: int, world: int) -> None:
    shares = [Together(None, rank, world).share(range(count)) for rank in range(world)]
    assert {len(share) for share in shares} == {-(-count // world)}
    assert {batch for share in shares for batch in share} == set(range(count))


PROGRAM = """
import os, sys
from pathlib import Path
from accelerate.state import AcceleratorState
from loratui.trainer import session
from loratui.trainer.pictures import latents
from loratui.trainer.__main__ import guarded
from loratui.trainer.process import own_stdout
from loratui.trainer.reporting.report import Reporter, line_writer, to_stderr
from loratui.trainer.stopping import StopRequest

rank, folder, encoded = os.environ["RANK"], Path(sys.argv[1]), []
emit = line_writer(own_stdout()) if rank == "0" else to_stderr
prepare, encode = session.prepare, latents._encoded

def watched(*arguments):
    training = prepare(*arguments)
    run = type(training).run
    def told(self):
        outcome = run(self)
        total = sum(float(w.double().abs().sum()) for w in self.stepper.network.parameters())
        (folder / (self.config.name + rank)).write_text(f"{total!r} {len(encoded)}")
        return outcome
    type(training).run = told
    return training

def counted(*arguments, **more):
    encoded.append(1)
    return encode(*arguments, **more)

session.prepare, latents._encoded = watched, counted
for config in sys.argv[2:]:
    AcceleratorState._reset_state()
    encoded.clear()
    code = guarded(Path(config), Reporter(emit), StopRequest())
    if code:
        sys.exit(code)
"""


def torchrun(folder: Path, *configs: Path) -> list[Any]:
    """Two processes train one config after the other; for each they write the sum of their own final weights
    and the number of pictures they encoded into ``folder``."""
    program = folder / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            *map(str, (program, folder, *configs)),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith(PREFIX)]
    return [decode_event(line.removeprefix(PREFIX)) for line in lines]


def test_two_processes_train_one_network_and_go_on_bit_for_bit(
    write_config: Any, pictures: Path, tmp_path: Path
) -> None:
    settings = {
        "train_data_dir": str(_squares(pictures, tmp_path)),
        "train_batch_size": 2,
        "max_train_epochs": 2,
        "save_every_n_epochs": 1,
        "save_state": True,
        "lr_scheduler": "linear",
        "flip_aug": True,
        "shuffle_caption": True,
        "network_dropout": 0.1,
    }
    whole = write_config(output_name="whole", **settings)
    state = tmp_path / "out" / "whole-000001-state"
    resumed = write_config(output_name="resumed", resume=str(state), skip_until_initial_step=True, **settings)
    told = torchrun(tmp_path, whole, resumed)
    count = count_config(kohya_config.read(whole), "train_network", processes=2)
    steps = [event for event in told if isinstance(event, events.Step)]
    assert count.total_steps == 4
    assert [event.step for event in steps] == [1, 2, 3, 4, 3, 4]  # one voice
    assert [event.rates["unet"] for event in steps[:4]] == pytest.approx([1e-2, 75e-4, 5e-3, 25e-4])
    # Each encodes its half, and in the end both have the same weights, to the last bit.
    final = [(tmp_path / f"whole{rank}").read_text().split() for rank in range(2)]
    assert final[0] == final[1]
    assert final[0][1] == "4"  # two pictures and their mirror images
    # So has who went on from the middle: its noise, too, is what it would have been.
    assert [event.loss for event in steps[2:4]] == [event.loss for event in steps[4:]]
    one, two = (load_file(tmp_path / "out" / f"{name}.safetensors") for name in ("whole", "resumed"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


class Pair:
    """Two copies of a weight, each as one of two processes sees it."""

    process_index, num_processes = 0, 2
    device = torch.device("cpu")

    def __init__(self, other: torch.Tensor) -> None:
        self.other = other

    def reduce(self, tensor: torch.Tensor, how: str) -> torch.Tensor:
        assert how == "mean"
        return (tensor + self.other) / 2


def test_the_mean_of_gradients_is_the_gradient_of_the_whole_batch() -> None:
    torch.manual_seed(0)
    weight, inputs, wanted = torch.nn.Parameter(torch.randn(3, 5)), torch.randn(4, 5), torch.randn(4, 3)

    def gradient(rows: slice) -> torch.Tensor:
        loss = torch.nn.functional.mse_loss(inputs[rows] @ weight.t(), wanted[rows])
        [found] = torch.autograd.grad(loss, [weight])
        return found

    whole, second = gradient(slice(4)), gradient(slice(2, 4))
    weight.grad = gradient(slice(2))
    idle = torch.nn.Parameter(torch.ones(2))
    together = Together.of(Pair(torch.cat([second.flatten(), torch.tensor([2.0, 4.0])])))
    together.average_gradients([weight, idle])
    torch.testing.assert_close(weight.grad, whole)
    # What one process left out takes part all the same.
    assert idle.grad is not None
    assert idle.grad.tolist() == [1.0, 2.0]


def _squares(pictures: Path, folder: Path) -> Path:
    target = folder / "squares" / "2_ohwx"
    target.mkdir(parents=True)
    for path in (pictures / "2_ohwx").iterdir():
        if path.stem in "0123":
            (target / path.name).write_bytes(path.read_bytes())
    return target.parent
