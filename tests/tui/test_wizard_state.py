"""The wizard without screens: what advice may move, and which answers count."""

from __future__ import annotations

from pathlib import Path

from loratui import kohya_config
from loratui.advice.facts import MachineFacts
from loratui.advice.presets import presets
from loratui.advice.steps import count_config
from loratui.engines.config import to_kohya
from loratui.models.inspect import ModelFile
from loratui.problems import Problem
from loratui.recipe import Recipe, Steps, change
from loratui.runs.hardware.machine import Machine
from loratui.tui.wizard.answers.facts import read_checks, read_dataset
from loratui.tui.wizard.answers.model_facts import read_model
from loratui.tui.wizard.answers.state import WizardState
from loratui.tui.wizard.steps import REVIEW
from tests.support.pictures import make_dataset, squares

GONE = Problem("base.model", "there is no such model.")


def model(family: str) -> ModelFile:
    return ModelFile(Path("/m"), "base", family, "epsilon", False, True, ("told",))


def test_advice_follows_the_model_until_a_person_decides() -> None:
    state = WizardState()
    state.type("base.model", "/m")
    state.take_model("/m", model("sdxl"))
    recipe = state.recipe
    assert (recipe.base.family, recipe.training.resolution, recipe.launch.engine) == (
        "sdxl",
        (1024, 1024),
        "builtin",
    )
    state.type("network.alpha", "4", "number")
    state.set("dataset.purpose", "style")
    assert (state.recipe.network.rank, state.recipe.network.alpha) == (32, 4.0)
    state.type("base.model", "/n")
    state.take_model("/n", model("flux"))
    assert (state.recipe.base.family, state.recipe.launch.engine) == ("flux", "kohya")


def test_a_whole_recipe_is_left_as_it_is() -> None:
    given = change(
        Recipe(steps=Steps(epochs=3)),
        {"base.model": "/m", "dataset.folder": "/d", "training.resolution": [640, 640], "network.rank": 4},
    )
    given = change(given, {"network.alpha": 1.0})
    state = WizardState(given)
    state.take_model("/m", model("sdxl"))
    assert state.recipe == given


def test_an_answer_to_an_older_question_is_dropped() -> None:
    state = WizardState()
    state.type("base.model", "/typed/fir")
    state.type("base.model", "/typed/first")
    state.take_model("/typed/fir", GONE)
    assert state.problems(1) == []
    assert state.wanted_model == "/typed/first"
    state.take_model("/typed/first", GONE)
    assert state.problems(1) == [GONE]


def test_a_rank_below_a_typed_alpha_is_refused_and_named() -> None:
    state = WizardState(change(Recipe(steps=Steps(epochs=3)), {"base.model": "/m", "dataset.folder": "/d"}))
    state.type("network.alpha", "8", "number")
    state.type("network.rank", "4", "whole")
    assert [problem.key for problem in state.problems(REVIEW)] == ["network.alpha"]


def test_alpha_keeps_its_share_of_a_rank_that_was_chosen_until_it_is_typed() -> None:
    state = known("sdxl")
    state.type("network.rank", "64", "whole")
    assert state.recipe.network.alpha == 32
    state.type("network.rank", "1", "whole")
    assert state.recipe.network.alpha == 1
    state.type("network.alpha", "0.5", "number")
    state.type("network.rank", "8", "whole")
    assert state.recipe.network.alpha == 0.5
    state.forget("network.alpha")
    assert state.recipe.network.alpha == 4


def known(family: str) -> WizardState:
    state = WizardState()
    state.type("base.model", "/m")
    state.take_model("/m", model(family))
    return state


def test_an_optimizer_brings_its_own_rates_along_and_takes_them_away_again() -> None:
    state = known("sd15")
    state.set("optimizer.name", "Prodigy")
    optimizer = state.recipe.optimizer
    assert (optimizer.unet_rate, optimizer.text_encoder_rate) == (1.0, 1.0)
    assert "use_bias_correction=True" in optimizer.arguments
    state.set("optimizer.name", "AdamW")
    assert state.recipe.optimizer.unet_rate == 1e-4
    assert state.recipe.optimizer.arguments == ()


def test_a_machine_that_is_known_late_still_sets_precision_and_memory() -> None:
    state = known("sdxl")
    state.take_machine(Machine(MachineFacts("RTX 3060", 11.5, (8, 6)), "", (), 10**11, None))
    training = state.recipe.training
    assert (training.precision, training.gradient_checkpointing) == ("bf16", True)
    assert "Without it this does not fit" in state.why["training.gradient_checkpointing"].reason
    state.take_machine(Machine(MachineFacts("H100", 79.0, (9, 0)), "", (), 10**11, None))
    assert state.recipe.training.gradient_checkpointing is False


def test_a_catalogue_model_tells_what_its_file_would(home: Path) -> None:
    state = WizardState()
    state.type("base.model", "noobai-vpred")
    state.take_model("noobai-vpred", read_model("noobai-vpred"))
    base = state.recipe.base
    assert (base.family, base.prediction, base.zero_terminal_snr) == ("sdxl", "v", True)
    assert state.recipe.training.noise_offset is None
    assert state.recipe.samples.prompts[0].startswith("masterpiece, best quality")
    state.set("base.prediction", "epsilon")
    state.set("base.zero_terminal_snr", False)
    assert state.recipe.base.prediction == "epsilon"  # a person's word stands


def test_a_preset_lays_its_values_over_and_takes_them_away() -> None:
    state = known("sd15")
    before = state.recipe
    (preset,) = [one for one in presets().values() if one.name == "edg-locon-as-written"]
    state.choose_preset(preset)
    assert (state.recipe.network.type, state.recipe.network.rank, state.recipe.network.conv_rank) == (
        "locon",
        64,
        32,
    )
    state.choose_preset(None)
    assert state.recipe.optimizer == before.optimizer
    assert state.recipe == before


def test_a_file_of_datasets_stands_in_for_a_folder(tmp_path: Path, home: Path) -> None:
    for name, pictures in (("hero", 5), ("dog", 3)):
        make_dataset(tmp_path / name, {"1_x": squares(pictures)})
    subset = '[[datasets.subsets]]\nimage_dir = "{}/{}/1_x"\nnum_repeats = {}\n'
    named = tmp_path / "sets.toml"
    named.write_text(
        "[[datasets]]\nbatch_size = 2\nresolution = 512\n"
        + subset.format(tmp_path, "hero", 2)
        + "[[datasets]]\nresolution = 256\n"
        + subset.format(tmp_path, "dog", 3)
        + subset.format(tmp_path, "hero", 1)
    )
    state = known("sd15")
    state.type("dataset.folder", str(named))
    assert state.recipe.kohya["dataset_config"] == state.text("dataset.folder") == str(named)
    key = state.wanted_dataset
    assert key is not None
    state.take_dataset(key, read_dataset(*key))
    assert state.problems(2) == [] and state.recipe.output.name == "sets"
    state.set("steps.batch_size", 4)
    count = state.count
    assert count is not None
    exact = count_config(kohya_config.flatten(to_kohya(state.recipe, tmp_path)), "train_network")
    assert (count.batches_per_epoch, count.total_steps) == (exact.batches_per_epoch, exact.total_steps)
    assert count.batches_per_epoch == 5 + 4  # 10 by 2, and 9 + 5 by 4
    named.write_text("[base]\n")
    state.look_again()
    key = state.wanted_dataset
    assert key is not None
    state.take_dataset(key, read_dataset(*key))
    assert "has a section base" in state.problems(2)[0].message
    state.type("dataset.folder", str(tmp_path / "hero"))
    assert "dataset_config" not in state.recipe.kohya
    assert state.recipe.dataset.folder == str(tmp_path / "hero")


def test_samples_come_with_the_checkpoints(tmp_path: Path, home: Path) -> None:
    """A set that is shown hardly more than once is saved by steps, and its samples are drawn then."""
    state = known("sd15")
    folder = str(make_dataset(tmp_path / "set", {"500_x": squares(4)}))
    state.set("dataset.folder", folder)
    key = (folder, None, ".txt", ())
    state.take_dataset(key, read_dataset(*key))

    def drawn() -> tuple[int, object]:
        return state.recipe.samples.every_epochs, state.recipe.kohya.get("sample_every_n_steps")

    every = state.recipe.kohya["save_every_n_steps"]
    assert drawn() == (0, every) and state.recipe.draws_samples is bool(state.recipe.samples.prompts)
    state.set("samples.every_epochs", 0)
    assert drawn() == (0, None)
    state.forget("samples.every_epochs")
    assert drawn() == (0, every)
    state.set("steps.epochs", 20)
    assert drawn() == (state.recipe.output.save_every_epochs, None) and drawn()[0] > 0


def test_only_what_differs_from_the_parent_is_named() -> None:
    parent = change(Recipe(steps=Steps(epochs=3)), {"base.model": "/m", "dataset.folder": "/d"})
    state = WizardState(parent, parent=("hero-03", parent))
    assert state.differences() == []
    state.type("network.rank", "32", "whole")
    assert [key for key, _, _ in state.differences()] == ["network.rank"]


def test_what_comes_with_a_download_is_not_asked_for_beside_it(home: Path) -> None:
    recipe = change(Recipe(steps=Steps(epochs=1)), {"base.model": "hunyuan-image", "launch.engine": "kohya"})
    recipe = change(recipe, {"base.family": "hunyuan_image"})
    found = read_checks(recipe)
    assert any("loratui download hunyuan-image" in problem.fix for problem in found)
    assert [problem.key for problem in found if problem.key.startswith("kohya.")] == []


def test_an_output_folder_that_cannot_be_is_refused_before_the_start(
    demo_recipe: Recipe, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (found,) = read_checks(change(demo_recipe, {"output.folder": str(tmp_path / "file" / "loras")}))
    assert found.key == "output.folder" and "is a file" in found.message
    assert read_checks(change(demo_recipe, {"output.folder": str(tmp_path / "new" / "loras")})) == ()
