"""The launcher's command line says everything accelerate would ask for, and nothing it would refuse."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from loratui.engines.engine import Command
from loratui.engines.kohya import launch as kohya_launch
from loratui.engines.kohya.engine import KohyaEngine
from loratui.recipe import Base, Dataset, Launch, Recipe, Steps, check

ALONE = Launch(engine="kohya")
FOUR = Launch(engine="kohya", num_processes=4)
TWO_MACHINES = Launch(
    engine="kohya", num_processes=4, num_machines=2, main_process_ip="10.0.0.4", main_process_port=29511
)


def command(launch: Launch, *, own_config: bool = False) -> Command:
    return kohya_launch.command(
        launch, "bf16", "/v/bin/python", Path("/k/train_network.py"), Path("/r un"), own_config=own_config
    )


def test_the_command_people_know() -> None:
    started = command(ALONE)
    assert started.argv[:3] == ("/v/bin/python", "-m", "accelerate.commands.launch")
    assert "--num_cpu_threads_per_process=1" in started.argv
    assert started.argv[-3:] == ("/k/train_network.py", "--config_file", "/r un/config.toml")
    assert started.cwd == Path("/k")


def test_accelerate_takes_every_command_without_a_question_or_a_remark(tmp_path: Path) -> None:
    """Through accelerate's own parser and checks, with nothing answered by ``accelerate config``."""
    commands = [command(launch).argv[3:] for launch in (ALONE, FOUR, TWO_MACHINES)]
    program = (
        "import json, sys\n"
        "from accelerate.commands.launch import _validate_launch_command, launch_command_parser\n"
        "for argv in json.load(sys.stdin):\n"
        "    found, _, _ = _validate_launch_command(launch_command_parser().parse_args(argv))\n"
        "    print(json.dumps([found.num_processes, found.num_machines, found.machine_rank or 0,\n"
        "        found.multi_gpu, found.main_process_ip, found.main_process_port, found.training_script,\n"
        "        found.training_script_args]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "HF_HOME": str(tmp_path)},
        check=False,
    )
    script, rest = "/k/train_network.py", ["--config_file", "/r un/config.toml"]
    assert done.returncode == 0, done.stderr
    assert "not passed" not in done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        [1, 1, 0, False, None, None, script, rest],
        [4, 1, 0, True, None, 0, script, rest],
        [4, 2, 0, True, "10.0.0.4", 29511, script, rest],
    ]


def test_a_config_of_accelerate_that_is_already_there_is_kept_out(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    recipe = Recipe(base=Base(model="m", family="sd15"), steps=Steps(epochs=1), launch=ALONE)
    before = KohyaEngine().prepare(recipe, Path("/run"))
    (tmp_path / "accelerate").mkdir()
    (tmp_path / "accelerate" / "default_config.yaml").write_text("distributed_type: DEEPSPEED\n")
    after = KohyaEngine().prepare(recipe, Path("/run"))
    assert kohya_launch.LAUNCHER_FILE not in before.files
    assert "distributed_type: NO\n" in after.files[kohya_launch.LAUNCHER_FILE]
    assert set(after.command.argv) - set(before.command.argv) == {"--config_file=/run/accelerate.yaml"}


def test_one_command_for_each_other_machine() -> None:
    assert kohya_launch.commands_elsewhere(command(ALONE)) == {}
    assert kohya_launch.commands_elsewhere(command(FOUR)) == {}
    found = kohya_launch.commands_elsewhere(command(TWO_MACHINES))
    assert list(found) == [1]
    folder, _, words = found[1].partition(" && ")
    assert folder == "cd /k"
    expected = [word.replace("rank=0", "rank=1") for word in command(TWO_MACHINES).argv]
    assert shlex.split(words) == expected


def test_who_writes_the_file() -> None:
    helper = Launch(num_processes=2, num_machines=2, machine_rank=1, main_process_ip="a")
    assert kohya_launch.writes_elsewhere(command(helper))
    assert not any(kohya_launch.writes_elsewhere(command(one)) for one in (ALONE, FOUR, TWO_MACHINES))


@pytest.mark.parametrize(
    ("launch", "keys"),
    [
        (TWO_MACHINES, []),
        (FOUR, []),
        (Launch(num_processes=3, num_machines=2, main_process_ip="host-a.local"), ["launch.num_processes"]),
        (Launch(num_processes=2, num_machines=2), ["launch.main_process_ip"]),
        (Launch(num_processes=2, num_machines=2, main_process_ip="a b; rm"), ["launch.main_process_ip"]),
        (
            Launch(num_processes=2, num_machines=2, machine_rank=2, main_process_ip="-x"),
            ["launch.machine_rank", "launch.main_process_ip"],
        ),
        (Launch(machine_rank=1), ["launch.machine_rank"]),
    ],
)
def test_what_a_recipe_may_say(launch: Launch, keys: list[str]) -> None:
    recipe = Recipe(base=Base(model="m"), dataset=Dataset(folder="d"), steps=Steps(epochs=1), launch=launch)
    found = check(recipe)
    assert sorted(problem.key for problem in found) == keys
    assert all(problem.fix for problem in found)


def test_damaged_pictures_end_sd_scripts_whatever_the_recipe_allows() -> None:
    from loratui.engines.kohya.engine import KohyaEngine
    from loratui.recipe import Dataset, Recipe, Training

    for allowed in (False, True):
        recipe = Recipe(dataset=Dataset(skip_damaged=allowed), training=Training(base_4bit=allowed))
        found = {problem.key for problem in KohyaEngine().supports(recipe)}
        assert ("dataset.skip_damaged" in found) is allowed
        assert ("training.base_4bit" in found) is allowed
