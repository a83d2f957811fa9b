"""Recipes in TOML: read at the door with every problem named, changed by dotted keys, written back."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
import tomli_w

from loratui.formats.hub_id import is_hub_id
from loratui.places import expanded
from loratui.problems import Problem, UserError, nearest
from loratui.recipe.document import SECTIONS, Recipe, Section, flatten
from loratui.recipe.rules import check
from loratui.tomlfile import parse_toml


def change(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """A copy with dotted keys set. Raises ``UserError`` for a key or a value that does not fit.

    A text that does not fit as it stands is read as a TOML value, so that ``--set network.rank=8``
    works as typed. Contradictions between values are left to ``check``.
    """
    document: dict[str, Any] = msgspec.to_builtins(recipe)
    for dotted, value in changes.items():
        section, _, key = dotted.partition(".")
        if section not in SECTIONS or not key:
            raise UserError(
                "", Problem(dotted, "there is no such setting.", nearest(dotted, flatten(recipe)))
            )
        document[section][key] = value
        if isinstance(value, str) and (section == "kohya" or not _fits(document)):
            document[section][key] = _read_value(value)
    return _build(document, "")


def _fits(document: Mapping[str, Any]) -> bool:
    try:
        _build(document, "")
    except UserError:
        return False
    return True


def _read_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def is_recipe(document: Mapping[str, Any]) -> bool:
    """Whether a TOML document is a recipe rather than a Kohya config.

    A recipe's ``[base]`` names the model; a Kohya file has no section of that name by custom and
    says ``pretrained_model_name_or_path`` instead.
    """
    return isinstance(document.get("base"), dict) and "model" in document["base"]


def loads(text: str, source: str = "recipe") -> Recipe:
    """Read a recipe. Raises ``UserError`` naming the source, the key, the value and the way out."""
    return from_document(parse_toml(text, source), source)


def from_document(document: Mapping[str, Any], source: str) -> Recipe:
    """A checked recipe from a TOML document. Raises ``UserError`` with every problem found."""
    recipe = _build(document, source)
    problems = check(recipe)
    if problems:
        raise UserError(source, *problems)
    return recipe


def dumps(recipe: Recipe) -> str:
    """The recipe as TOML; values equal to the defaults are left out, decisions stay."""
    kept: dict[str, dict[str, Any]] = {}
    defaults = msgspec.to_builtins(Recipe())
    for section, values in msgspec.to_builtins(recipe).items():
        decided = {
            key: value
            for key, value in values.items()
            if value is not None and (section == "kohya" or value != defaults[section][key])
        }
        if decided or section in ("base", "dataset"):
            kept[section] = decided
    kept["base"].setdefault("model", recipe.base.model)
    return tomli_w.dumps(kept)


def resolve_paths(recipe: Recipe, folder: Path) -> Recipe:
    """A copy whose relative paths, where they exist below ``folder``, are absolute."""

    def resolved(value: str | None) -> str | None:
        if not value:
            return value
        if is_hub_id(value, folder):
            return value
        path = folder / expanded(value)
        looks_local = value.startswith((".", "~", "/")) or path.exists() or path.suffix != ""
        return str(path.absolute()) if looks_local else value

    return msgspec.structs.replace(
        recipe,
        base=msgspec.structs.replace(
            recipe.base, model=resolved(recipe.base.model), vae=resolved(recipe.base.vae)
        ),
        dataset=msgspec.structs.replace(
            recipe.dataset,
            folder=str((folder / expanded(recipe.dataset.folder)).absolute())
            if recipe.dataset.folder
            else "",
            regularization=resolved(recipe.dataset.regularization),
        ),
        network=msgspec.structs.replace(recipe.network, weights=resolved(recipe.network.weights)),
        kohya={
            key: _each(resolved, value) if key in _KOHYA_FILES else value
            for key, value in recipe.kohya.items()
        },
    )


_KOHYA_FILES = frozenset(
    {"ae", "byt5", "clip_g", "clip_l", "gemma2", "llm_adapter_path", "qwen3", "t5xxl", "text_encoder"}
    | {"base_weights", "dataset_config", "in_json", "tokenizer_cache_dir"}
)
"""Keys under ``[kohya]`` that name files: sd-scripts runs in another folder."""


def _each(resolved: Callable[[str], str | None], value: Any) -> Any:
    if isinstance(value, list):
        return [resolved(one) if isinstance(one, str) else one for one in value]
    return resolved(value) if isinstance(value, str) else value


def _build(document: Mapping[str, Any], source: str) -> Recipe:
    unknown = _unknown_keys(document)
    if unknown:
        raise UserError(source, *unknown)
    try:
        return msgspec.convert(document, Recipe)
    except msgspec.ValidationError as error:
        raise UserError(source, _explain(error, document)) from None


def _unknown_keys(document: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for section, values in document.items():
        if section not in SECTIONS:
            problems.append(Problem(section, "a recipe has no such section.", nearest(section, SECTIONS)))
        elif not isinstance(values, dict):
            problems.append(Problem(section, f"{values!r} stands where the section [{section}] belongs."))
        elif section != "kohya":
            fields = _section_type(section).__struct_fields__
            problems += [
                Problem(f"{section}.{key}", "there is no such setting.", nearest(key, fields))
                for key in values
                if key not in fields
            ]
    return problems


def _section_type(section: str) -> type[Section]:
    kind = type(getattr(Recipe(), section))
    assert issubclass(kind, Section)
    return kind


_TYPE_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text in quotes",
    "bool": "true or false",
    "array": "a list",
    "object": "a section",
}


def _explain(error: msgspec.ValidationError, document: Mapping[str, Any]) -> Problem:
    """Turn msgspec's message (``Expected `int`, got `str` - at `$.network.rank```) into ours."""
    text, _, path = str(error).partition(" - at `$.")
    section, _, name = re.sub(r"[\[`].*", "", path).partition(".")
    value = document[section].get(name)
    if "enum" in text:
        choices = _choices(section, name)
        message = f"{value!r} is not one of {', '.join(choices)}."
        return Problem(f"{section}.{name}", message, nearest(str(value), choices))
    expected = re.sub(r"^Expected |, got.*|`|( \| null)", "", text)
    expected = re.sub(r"^\w+", lambda word: _TYPE_WORDS.get(word[0], word[0]), expected)
    return Problem(f"{section}.{name}", f"{value!r} does not fit; it must be {expected}.")


def _choices(section: str, name: str) -> list[str]:
    fields = msgspec.structs.fields(_section_type(section))
    kind = next(field.type for field in fields if field.name == name)
    words: list[str] = []
    for part in get_args(kind):
        words += [w for w in (part, *get_args(part)) if isinstance(w, str)]
    return words
