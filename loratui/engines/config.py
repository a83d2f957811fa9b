"""Recipe to Kohya's config.toml and back: one table, read in both directions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loratui import kohya_config
from loratui.engines import network_keys
from loratui.families import FAMILIES
from loratui.models.named import located
from loratui.problems import Problem, UserError
from loratui.recipe import Recipe, change, check, flatten, from_document, is_recipe, resolve_paths
from loratui.tomlfile import read_toml

PROMPTS_FILE = "sample_prompts.txt"


def _same(value: Any) -> Any:
    return value


def _flag(value: bool) -> bool | None:
    return value or None


@dataclass(frozen=True, slots=True)
class Row:
    """One setting in both languages."""

    section: str
    """The section of config.toml; sd-scripts gives section names no meaning."""
    key: str
    setting: str
    """The recipe's dotted key."""
    write: Callable[[Any], Any] = _same
    """Recipe value to config value; None leaves the key out."""
    read: Callable[[Any], Any] = _same


def _flag_row(section: str, key: str, setting: str) -> Row:
    return Row(section, key, setting, write=_flag)


def _write_count(value: int) -> int | None:
    return value or None


def _read_count(value: int | None) -> int:
    return value or 0


def _write_warmup(value: float) -> int | float:
    """sd-scripts takes an int as steps and a float below 1 as a fraction of all steps
    (library/train_util.py, ``get_scheduler_fix``)."""
    return int(value) if value >= 1 or value == 0 else value


ROWS: tuple[Row, ...] = (
    Row("model", "pretrained_model_name_or_path", "base.model"),
    Row("model", "vae", "base.vae"),
    Row(
        "model",
        "v_parameterization",
        "base.prediction",
        write=lambda prediction: _flag(prediction == "v"),
        read=lambda flag: "v" if flag else "epsilon",
    ),
    _flag_row("model", "zero_terminal_snr", "base.zero_terminal_snr"),
    Row(
        "dataset",
        "train_data_dir",
        "dataset.folder",
        lambda folder: folder or None,
        lambda folder: folder or "",
    ),
    Row("dataset", "reg_data_dir", "dataset.regularization"),
    Row("dataset", "caption_extension", "dataset.caption_extension"),
    _flag_row("dataset", "shuffle_caption", "dataset.shuffle_captions"),
    Row("dataset", "keep_tokens", "dataset.keep_tokens", write=_write_count, read=_read_count),
    _flag_row("dataset", "flip_aug", "dataset.flip"),
    Row(
        "dataset",
        "resolution",
        "training.resolution",
        write=lambda size: f"{size[0]},{size[1]}",
        read=lambda text: kohya_config.parse_resolution(text) if text else (512, 512),
    ),
    _flag_row("dataset", "enable_bucket", "training.buckets"),
    Row("dataset", "min_bucket_reso", "training.bucket_min"),
    Row("dataset", "max_bucket_reso", "training.bucket_max"),
    Row("dataset", "bucket_reso_steps", "training.bucket_step"),
    _flag_row("dataset", "bucket_no_upscale", "training.bucket_no_upscale"),
    _flag_row("dataset", "cache_latents", "training.cache_latents"),
    Row("network", "network_dim", "network.rank", read=lambda rank: rank or 4),
    Row("network", "network_alpha", "network.alpha"),
    Row("network", "network_weights", "network.weights"),
    Row("optimizer", "optimizer_type", "optimizer.name", read=lambda name: name or "AdamW"),
    Row("optimizer", "optimizer_args", "optimizer.arguments", write=list, read=lambda values: values or ()),
    Row("optimizer", "learning_rate", "optimizer.unet_rate"),
    Row("optimizer", "text_encoder_lr", "optimizer.text_encoder_rate"),
    Row("optimizer", "lr_scheduler", "optimizer.schedule"),
    Row("optimizer", "lr_warmup_steps", "optimizer.warmup", write=_write_warmup),
    Row("train", "train_batch_size", "steps.batch_size"),
    Row("train", "gradient_accumulation_steps", "steps.accumulation"),
    Row("train", "max_train_epochs", "steps.epochs"),
    Row("train", "max_train_steps", "steps.target"),
    Row("train", "mixed_precision", "training.precision"),
    Row("train", "seed", "training.seed", read=lambda seed: 42 if seed is None else seed),
    Row("train", "clip_skip", "training.clip_skip"),
    Row("train", "noise_offset", "training.noise_offset"),
    _flag_row("train", "gradient_checkpointing", "training.gradient_checkpointing"),
    Row("output", "output_name", "output.name", read=lambda name: name or "last"),
    Row("output", "output_dir", "output.folder"),
    Row("output", "save_precision", "output.precision", read=lambda precision: precision or "float"),
    Row("output", "save_every_n_epochs", "output.save_every_epochs", write=_write_count, read=_read_count),
    Row("output", "save_last_n_epochs", "output.keep_last"),
    _flag_row("output", "save_state", "output.save_state"),
    Row("samples", "sample_every_n_epochs", "samples.every_epochs", write=_write_count, read=_read_count),
)
"""Every setting that has a key of its own in Kohya's config. What has not (prompts, trained parts, resume) is
written by ``to_kohya`` below, the network by ``network_keys``."""

_JOINED_KEYS = {
    "network_module": "network.type",
    "network_args": "network.type, network.conv_rank and network.conv_alpha",
    "network_train_unet_only": "optimizer.text_encoder_rate",
    "unet_lr": "optimizer.unet_rate",
    "save_model_as": "nothing: LoRA files are always .safetensors",
}
OWN_KEYS: Mapping[str, str] = {**{row.key: row.setting for row in ROWS}, **_JOINED_KEYS}
"""Keys of config.toml that a recipe says in its own words, and those words."""


def script_of(recipe: Recipe) -> str:
    """The sd-scripts program for the recipe's family; Stable Diffusion's when it is not known yet."""
    return FAMILIES[recipe.base.family].script if recipe.base.family else "train_network"


def to_kohya(recipe: Recipe, run_folder: Path, resume: Path | None = None) -> dict[str, dict[str, Any]]:
    """The sections of config.toml for a run whose files go below ``run_folder``.

    ``resume`` names a state folder; training goes on to the planned total, and does not start the
    count again as sd-scripts would by itself (train_network.py:1257-1276).
    """
    values = flatten(recipe)
    sections: dict[str, dict[str, Any]] = {}
    for row in ROWS:
        value = values[row.setting]
        written = None if value is None else row.write(value)
        if written is not None and written != []:
            sections.setdefault(row.section, {})[row.key] = written
    sections["network"] |= network_keys.write(recipe)
    sections["optimizer"] |= network_keys.text_encoder_rates(recipe)
    sections["output"].setdefault("output_dir", str(run_folder / "checkpoints"))
    sections["output"]["save_model_as"] = "safetensors"
    if recipe.optimizer.text_encoder_rate is None:
        sections["optimizer"]["network_train_unet_only"] = True
    if recipe.draws_samples:
        sections.setdefault("samples", {})["sample_prompts"] = str(run_folder / PROMPTS_FILE)
    else:
        sections.pop("samples", None)
    if resume is not None:
        sections["resume"] = {"resume": str(resume), "skip_until_initial_step": True}
    written_above = kohya_config.flatten(sections).keys() | network_keys.BESIDE
    rest = {key: value for key, value in recipe.kohya.items() if key not in written_above}
    if resume is not None:
        for key in ("initial_epoch", "initial_step"):  # the state knows better
            rest.pop(key, None)
    if not recipe.draws_samples and "sample_prompts" not in rest:
        rest.pop("sample_every_n_steps", None)  # sd-scripts ends where it is to draw and has no prompts
    sections["kohya"] = rest
    return sections


def prompt_lines(recipe: Recipe) -> str:
    """The sample prompts as sd-scripts reads them: one a line, ``--`` options behind the words
    (library/train_util.py, ``line_to_prompt_dict``)."""
    samples = recipe.samples
    width = samples.width or recipe.training.resolution[0]
    height = samples.height or recipe.training.resolution[1]
    lines = []
    for index, prompt in enumerate(samples.prompts):
        words = " ".join(prompt.split())
        negative = " ".join(samples.negative.split())
        lines.append(
            f"{words}{f' --n {negative}' if negative else ''} --w {width} --h {height}"
            f" --d {samples.seed + index} --l {samples.scale:g} --s {samples.steps}"
        )
    return "".join(f"{line}\n" for line in lines)


def from_kohya(flat: Mapping[str, Any], source: str) -> Recipe:
    """The recipe that means what a Kohya config means to sd-scripts, its defaults included.

    Keys without a setting of their own are kept under ``[kohya]``. Raises ``UserError`` for keys that
    no script has, values that do not fit, and layouts a recipe cannot say.
    """
    flat = {key: value for key, value in flat.items() if key not in kohya_config.NEVER_READ}
    script = "sdxl_train_network" if "cache_text_encoder_outputs" in flat else "train_network"
    problems = [
        problem
        for problem in kohya_config.check(flat, script)
        if kohya_config.option(problem.key, script) or not kohya_config.scripts_with(problem.key)
    ]
    if not flat.get("pretrained_model_name_or_path"):
        words = "Add it: a .safetensors file, a diffusers folder, or org/name on the hub."
        problems.append(Problem("pretrained_model_name_or_path", "it names no base model.", words))
    if problems:
        raise UserError(source, *problems)
    changes: dict[str, Any] = {}
    for row in ROWS:
        value = flat.get(row.key, kohya_config.default(row.key))
        try:
            changes[row.setting] = row.read(value)
        except ValueError:
            raise UserError(
                source,
                Problem(row.key, f"{value!r} does not fit.", 'Write "512" or "512,768" (width, height).'),
            ) from None
    network, kept = network_keys.read(flat, source)
    changes |= _from_kohya_exceptions(flat) | network
    passed_on = {key: value for key, value in flat.items() if key not in OWN_KEYS}
    recipe = change(Recipe(kohya=passed_on | kept), changes)
    problems = check(recipe)
    if problems:
        raise UserError(source, *problems)
    return recipe


def _from_kohya_exceptions(flat: Mapping[str, Any]) -> dict[str, Any]:
    """What one row of the table cannot say: rules of sd-scripts that join several keys."""
    changes: dict[str, Any] = {}
    if flat.get("max_train_epochs") is not None:
        changes["steps.target"] = None
    if "unet_lr" in flat:
        changes["optimizer.unet_rate"] = flat["unet_lr"]
    if flat.get("network_train_unet_only"):
        changes["optimizer.text_encoder_rate"] = None
    elif flat.get("text_encoder_lr", []) == []:
        changes["optimizer.text_encoder_rate"] = flat.get(
            "learning_rate", kohya_config.default("learning_rate")
        )
    elif isinstance(flat["text_encoder_lr"], list):
        changes["optimizer.text_encoder_rate"] = flat["text_encoder_lr"][0]
    return changes


def load(path: Path) -> Recipe:
    """A recipe from a file that is either a recipe or a Kohya config.

    Relative paths count from the recipe's own folder; in a Kohya config from the working folder, as
    sd-scripts has it. Raises ``UserError`` with everything that is wrong.
    """
    document = read_toml(path)
    if is_recipe(document) or not _looks_kohya(document):
        return located(resolve_paths(from_document(document, str(path)), path.parent))
    return located(resolve_paths(from_kohya(kohya_config.flatten(document), str(path)), Path.cwd()))


def _looks_kohya(document: Mapping[str, Any]) -> bool:
    flat = kohya_config.flatten(document)
    known = sum(bool(kohya_config.scripts_with(key)) for key in flat)
    return known * 2 >= max(1, len(flat))
