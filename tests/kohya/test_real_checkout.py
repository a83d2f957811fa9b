"""The engine against sd-scripts itself."""

from __future__ import annotations

import json
import subprocess
import tomllib
from pathlib import Path
from typing import TypeVar, get_args

import pytest
from PIL import Image

from loratui import kohya_config
from loratui.engines import config
from loratui.engines.kohya.engine import KohyaEngine
from loratui.events import ENDED, Event, Measured, Planned, Sample, StateSaved, Step
from loratui.kohya_checkout import Checkout
from loratui.recipe import (
    Base,
    Dataset,
    FamilyName,
    Network,
    Output,
    Recipe,
    Samples,
    Steps,
    Training,
    change,
)
from loratui.runs import launch
from loratui.runs.follow import RecordReader
from loratui.runs.layout import Run, Status, read_status
from loratui.runs.lock import is_held
from loratui.runs.process import group_members
from tests.support.processes import wait_for

pytestmark = pytest.mark.timeout(3000)
Kind = TypeVar("Kind", bound=Event)
_LONG = 900.0

_PARSE = """
import importlib, json, sys
sys.path.insert(0, sys.argv[1])
bad = {}
for script, path in json.loads(sys.argv[2]).items():
    parser = importlib.import_module(script).setup_parser()
    import toml
    flat = {}
    for section in toml.load(path).values():
        flat.update(section)
    actions = {action.dest: action for action in parser._actions}
    wrong = [key for key in flat if key not in actions]
    words = []
    for key, value in flat.items():
        action = actions.get(key)
        if action is None:
            continue
        flag = action.option_strings[0]
        if isinstance(value, bool):
            words += [flag] if value else []
        else:
            words += [flag, *map(str, value if isinstance(value, list) else [value])]
    try:
        parsed = vars(parser.parse_args(words))
    except SystemExit:
        wrong.append("(refused by argparse)")
    else:
        wrong += [key for key, value in flat.items() if key in parsed and parsed[key] != value]
    if wrong:
        bad[script] = wrong
print(json.dumps(bad))
"""


def of(run: Run, kind: type[Kind]) -> list[Kind]:
    return [record.event for record in RecordReader(run.events).poll() if isinstance(record.event, kind)]


def ended(run: Run) -> Status:
    def look() -> Status | None:
        status = read_status(run)
        return status if status and status.state in ENDED and not is_held(run.lock) else None

    status = wait_for(look, _LONG, "the end of the run")
    assert status is not None
    return status


def test_every_config_passes_the_real_parsers(checkout: Checkout, home: Path, tmp_path: Path) -> None:
    """Each key is known to its script, and each value comes out of argparse as it stands in the file."""
    paths = {}
    for family in get_args(FamilyName):
        recipe = Recipe(
            base=Base(model="/m.safetensors", family=family, vae="/vae.safetensors"),
            dataset=Dataset(
                folder="/d", regularization="/r", shuffle_captions=True, keep_tokens=1, flip=True
            ),
            steps=Steps(epochs=2, batch_size=2, accumulation=2),
            network=Network(conv_rank=4, conv_alpha=2.0),
            samples=Samples(prompts=("a cat",)),
            training=Training(precision="bf16", noise_offset=0.05, gradient_checkpointing=True),
            output=Output(keep_last=3),
        )
        made = KohyaEngine().prepare(recipe, tmp_path).files["config.toml"]
        path = tmp_path / f"{family}.toml"
        path.write_text(made)
        paths[config.script_of(recipe)] = str(path)
    command = [str(checkout.python), "-c", _PARSE, str(checkout.folder), json.dumps(paths)]
    done = subprocess.run(
        command, cwd=checkout.folder, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {}


def test_our_table_of_options_is_the_scripts_own(checkout: Checkout) -> None:
    """Keys alone: what a newer sd-scripts adds or drops shows here."""
    code = (
        "import importlib, json, sys; sys.path.insert(0, sys.argv[1]);"
        "print(json.dumps({name: sorted(a.dest for a in importlib.import_module(name).setup_parser()._actions"
        " if a.dest != 'help') for name in sys.argv[2:]}))"
    )
    command = [str(checkout.python), "-c", code, str(checkout.folder), *kohya_config.CONFIG_SCRIPTS]
    done = subprocess.run(
        command, cwd=checkout.folder, capture_output=True, text=True, timeout=600, check=False
    )
    found = json.loads(done.stdout.splitlines()[-1])
    for script in kohya_config.CONFIG_SCRIPTS:
        assert set(kohya_config.keys(script)) ^ set(found[script]) == set(), script


@pytest.fixture
def recipe(home: Path, base_model: Path, tokenizer_cache: Path, tmp_path: Path) -> Recipe:
    """Two steps an epoch, two epochs, 64 pixels."""
    pictures = tmp_path / "data/1_ohwx"
    pictures.mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (64, 64), (60 * number, 90, 30)).save(pictures / f"{number}.png")
        (pictures / f"{number}.txt").write_text(f"ohwx, number {number}")
    made = Recipe(
        base=Base(model=str(base_model), family="sd15"),
        dataset=Dataset(folder=str(pictures.parent)),
        steps=Steps(epochs=2, batch_size=2),
        network=Network(rank=4, alpha=1.0),
        training=Training(resolution=(64, 64), bucket_min=64, bucket_max=128),
        samples=Samples(prompts=("ohwx",), steps=2, scale=1.0),
        output=Output(name="hero"),
        kohya={"tokenizer_cache_dir": str(tokenizer_cache), "max_data_loader_n_workers": 0}
        | {"persistent_data_loader_workers": False},
    )
    return change(made, {"launch.engine": "kohya"})


def test_a_run_stopped_resumed_and_finished(recipe: Recipe) -> None:
    run = launch.start(recipe, KohyaEngine())
    wait_for(lambda: of(run, StateSaved) or _ended(run), _LONG, "the state of the first epoch")
    status = read_status(run)
    assert status is not None and status.trainer is not None, status
    assert of(run, StateSaved), status.reason
    group = status.trainer.pid
    assert len(group_members(group)) >= 2
    launch.request_stop(run)
    status = ended(run)
    assert status.state == "stopped", status.reason
    assert group_members(group) == []

    launch.resume(run, KohyaEngine())
    status = ended(run)
    assert (status.state, status.step, status.total_steps) == ("finished", 4, 4), status.reason
    assert Path(status.final_file).name == "hero.safetensors"
    assert [plan.first_step for plan in of(run, Planned)] == [0, 2]
    assert [step.step for step in of(run, Step)][-2:] == [3, 4]
    measured = {event.step: event for event in of(run, Measured)}
    assert set(measured) == {1, 2, 3, 4}
    assert all(event.loss for event in measured.values())
    assert measured[2].rates.keys() == {"unet"}
    assert of(run, Sample)
    assert (run.folder / of(run, Sample)[0].path).is_file()
    flat = kohya_config.flatten(tomllib.loads(run.config.read_text()))
    assert flat["initial_step"] == 2


def _ended(run: Run) -> bool:
    status = read_status(run)
    return status is not None and status.state in ENDED
