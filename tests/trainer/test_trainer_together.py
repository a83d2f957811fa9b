"""Several processes: two real ones over gloo, beside one alone with twice the batch."""

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
from loratui.trainer.together import Together


@pytest.mark.parametrize(("count", "world"), [(6, 2), (5, 2), (1, 3), (7, 3)])
def test_every_process_gets_as_many_batches(count: int, world: int) -> None:
    shares = [Together(None, rank, world).share(range(count)) for rank in range(world)]
    assert {len(share) for share in shares} == {-(-count // world)}
    assert {batch for share in shares for batch in share} == set(range(count))


def torchrun(config: Path, folder: Path) -> list[Any]:
    """Two processes; each writes the sum of its own final weights into ``folder``."""
    program = folder / "program.py"
    program.write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from loratui.trainer import session\n"
        "from loratui.trainer.__main__ import main\n"
        "prepare = session.prepare\n"
        "def watched(*arguments):\n"
        "    training = prepare(*arguments)\n"
        "    run = type(training).run\n"
        "    def told(self):\n"
        "        outcome = run(self)\n"
        "        total = sum(float(w.double().abs().sum()) for w in self.stepper.network.parameters())\n"
        f"        Path({str(folder)!r}, os.environ['RANK']).write_text(repr(total))\n"
        "        return outcome\n"
        "    type(training).run = told\n"
        "    return training\n"
        "session.prepare = watched\n"
        "sys.exit(main())\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            *("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"),
            *(str(program), "--config_file", str(config)),
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


def test_two_processes_are_one_with_twice_the_batch(
    train: Any, write_config: Any, pictures: Path, tmp_path: Path
) -> None:
    # One bucket and the same noise for all: then the mean over two batches of 2 is that over one of 4.
    settings = {
        "train_data_dir": str(_squares(pictures, tmp_path)),
        "multires_noise_iterations": None,
        "min_timestep": 500,
        "max_timestep": 501,
        "max_train_epochs": 2,
        "save_every_n_epochs": 1,
        "save_state": True,
        "lr_scheduler": "linear",
        "flip_aug": False,
    }
    config = write_config(train_batch_size=2, output_name="two", **settings)
    told = torchrun(config, tmp_path)
    count = count_config(kohya_config.read(config), "train_network", processes=2)
    steps = [event for event in told if isinstance(event, events.Step)]
    assert len(steps) == count.total_steps == 4
    assert [event.step for event in steps] == [1, 2, 3, 4]  # one voice
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files == {"two-000001.safetensors", "two-000001-state", "two.safetensors", "two-state"}
    # The same weights on both, to the last bit.
    assert (tmp_path / "0").read_text() == (tmp_path / "1").read_text()

    alone = train(train_batch_size=4, output_name="one", **settings)
    wide = alone.of(events.Step)
    assert [step.rates for step in steps] == [step.rates for step in wide]
    # Noise differs, so what is equal is the size of things; equality itself is the next test's.
    assert [step.loss for step in steps] == pytest.approx([step.loss for step in wide], rel=0.5)
    one, two = (load_file(tmp_path / "out" / f"{name}.safetensors") for name in ("one", "two"))
    assert one.keys() == two.keys()


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
