"""``loratui lora upload``."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from loratui.atomic import new_file
from loratui.cli.options import json_option
from loratui.cli.output import data, print_json, say
from loratui.engines import config
from loratui.lora.changing.strip import strip
from loratui.lora.checking import verify
from loratui.lora.files.metadata import training_of
from loratui.lora.info import LoraInfo, read_info
from loratui.lora.publishing import hub
from loratui.lora.publishing.card import Card, is_hub_id, write_card
from loratui.lora.publishing.privacy import Leak, stripped
from loratui.problems import UserError, refusal
from loratui.recipe import Recipe
from loratui.runs import store, uploads

_PATH = click.Path(path_type=Path)
_TYPES = {"lora": "LoRA", "locon": "LoCon", "loha": "LoHa", "lokr": "LoKr", "dora": "DoRA", "ia3": "IA3"}
_SHEET = "samples.png"
_README = "README.md"
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, slots=True)
class _Wishes:
    """The command's argument and options."""

    file: Path
    repo: str
    private: bool
    sheet: Path | None
    trigger: str | None
    prompts: tuple[str, ...]
    run_name: str | None
    base_model: str | None
    license_name: str | None
    card_file: Path | None
    keep_metadata: bool
    update: bool
    dry_run: bool
    yes: bool
    as_json: bool


@click.command()
@click.argument("file", metavar="LORA", type=_PATH)
@click.option("--repo", required=True, metavar="OWNER/NAME", help="Where on the hub.")
@click.option("--private/--public", default=True, help="Private by default.")
@click.option("--sheet", type=_PATH, metavar="SHEET.png", help="A contact sheet of 'lora try', for the card.")
@click.option("--trigger", metavar="WORD", help="The trigger word; the run's by default.")
@click.option("--prompt", "prompts", multiple=True, help="For the hub's widget; the run's by default.")
@click.option("--run", "run_name", metavar="RUN", help="The run it comes from: settings, trigger, prompts.")
@click.option("--base-model", metavar="OWNER/NAME", help="The base model on the hub, for the card.")
@click.option("--license", "license_name", metavar="ID", help="As the hub writes it: openrail++, mit ...")
@click.option("--card", "card_file", type=_PATH, metavar="FILE", help="Take this card and write none.")
@click.option("--keep-metadata", is_flag=True, help="Leave folder names, tags and the like in the file.")
@click.option("--update", is_flag=True, help="Add to a repository that is there already.")
@click.option("--dry-run", is_flag=True, help="Send nothing: write the card and list what would go.")
@click.option("--yes", is_flag=True, help="Send it.")
@json_option
def upload(**given: Any) -> None:
    """Send a LORA to the Hugging Face hub with a model card, after a preview.

    \b
    loratui lora upload hero.safetensors --repo me/hero --dry-run     the card and the list, nothing sent
    loratui lora upload hero.safetensors --repo me/hero --yes         sent

    The copy that goes has no folder names, tags, file names or dates in its metadata. The token is that of
    HF_TOKEN or of the hub's own login (hf auth login). Without --yes nothing is sent, and the exit code is 2.
    """
    wishes = _Wishes(**given)
    _check_options(wishes)
    found = _sound(wishes.file)
    if wishes.sheet is not None:
        _check_png(wishes.sheet)
    recipe = config.load(store.find(wishes.run_name).recipe) if wishes.run_name is not None else None
    text = _read(wishes.card_file) if wishes.card_file else write_card(_card(found, recipe, wishes))
    with tempfile.TemporaryDirectory(prefix="loratui-") as folder:
        files = _files(wishes, found, text, Path(folder))
        values = _before(wishes, found, files)
        if not wishes.as_json:
            _preview(values, text, found, keep_metadata=wishes.keep_metadata, update=wishes.update)
        if wishes.dry_run and wishes.card_file is None:
            values["card"] = str(_keep(wishes.file, text))
        if wishes.yes:
            values |= _send(wishes, files)
    if wishes.as_json:
        print_json(values)
    _last_words(wishes, values)


def _check_options(wishes: _Wishes) -> None:
    if wishes.dry_run and wishes.yes:
        raise click.UsageError("--dry-run sends nothing: leave out --yes, or leave out --dry-run.")
    for option, value in (("--repo", wishes.repo), ("--base-model", wishes.base_model)):
        if value is not None and not is_hub_id(value):
            raise click.UsageError(f"{option} {value!r}: write it as OWNER/NAME.")


def _sound(file: Path) -> LoraInfo:
    """What the file is. Raises ``UserError`` for one that is not to be sent."""
    found = read_info(file)
    wrong = verify.problems(file)
    if wrong:
        raise UserError(str(file), *wrong)
    if file.suffix.lower() != ".safetensors":
        raise refusal(file, "the hub's users expect a .safetensors file.", "Rename it.")
    return found


def _files(wishes: _Wishes, found: LoraInfo, card: str, folder: Path) -> dict[str, Path | bytes]:
    """What goes, by its name on the hub; a copy without private entries is made in ``folder``."""
    copy = wishes.file
    if _gone(wishes, found):
        copy = folder / "copy.safetensors"
        strip(wishes.file, copy)
    files: dict[str, Path | bytes] = {wishes.file.name: copy, _README: card.encode()}
    if wishes.sheet is not None:
        files[_SHEET] = wishes.sheet
    return files


def _gone(wishes: _Wishes, found: LoraInfo) -> Sequence[Leak]:
    return () if wishes.keep_metadata else found.leaks


def _before(wishes: _Wishes, found: LoraInfo, files: Mapping[str, Path | bytes]) -> dict[str, Any]:
    """The keys of ``--json`` before anything is sent."""
    sizes = {
        name: len(content) if isinstance(content, bytes) else content.stat().st_size
        for name, content in files.items()
    }
    return {
        "repo": wishes.repo,
        "private": wishes.private,
        "files": [{"path": name, "bytes": size} for name, size in sizes.items()],
        "stripped": [leak.key for leak in _gone(wishes, found)],
        "card": None,
        "uploaded": False,
        "url": None,
        "commit": None,
        "verified": None,
    }


def _send(wishes: _Wishes, files: dict[str, Path | bytes]) -> dict[str, Any]:
    """Send them, and ask the hub whether it has them. Returns what changes in ``_before``'s keys."""
    say(f"Sending to {wishes.repo} ...")
    message = f"{wishes.file.stem}, with loratui"
    url, commit = hub.upload(
        wishes.repo, files, private=wishes.private, update=wishes.update, message=message
    )
    verified = _confirm(wishes.repo, commit, files)
    if verified:
        uploads.note(wishes.file, wishes.repo, commit)
    return {"url": url, "commit": commit, "uploaded": True, "verified": verified}


def _last_words(wishes: _Wishes, values: Mapping[str, Any]) -> None:
    if values["uploaded"]:
        if not wishes.as_json:
            data(values["url"])
    elif wishes.dry_run:
        say("Nothing was sent." + (f" The card is in {values['card']}." if values["card"] else ""))
        say("Change it as you like, and send it: the same command with --card FILE and --yes.")
    else:
        say("Nothing was sent. Add --yes to send it, or --dry-run to write the card to a file.")
        raise click.exceptions.Exit(2)


def _confirm(repo: str, commit: str, files: dict[str, Path | bytes]) -> bool | None:
    """Ask the hub whether it has all of it, byte for byte; None when it does not tell. A file that arrived
    changed is a failure."""
    try:
        wrong = hub.differing(repo, commit, files)
    except UserError as error:
        say(f"Sent, but it could not be checked: {error.problems[0].message}")
        return None
    if wrong:
        raise refusal(repo, f"what arrived is not what was sent: {', '.join(wrong)}.", "Send it again.")
    say("The hub has every byte of it.")
    return True


def _preview(
    values: dict[str, Any], card: str, found: LoraInfo, *, keep_metadata: bool, update: bool
) -> None:
    kind = "private" if values["private"] else "public, for everybody to see"
    note = "; if it is there already, it stays as visible as it is" if update else ""
    data(f"to        {values['repo']} ({kind}{note})")
    for row in values["files"]:
        data(f"file      {row['bytes']:>13,} bytes  {row['path']}")
    if keep_metadata and found.leaks:
        data(f"metadata  {len(found.leaks)} private entries stay in, as asked: {_keys(found)}")
    elif found.leaks:
        data(f"metadata  {len(found.leaks)} private entries are taken out of the copy: {_keys(found)}")
    else:
        data("metadata  nothing private is in it")
    for line in card.splitlines():
        data(f"    {line}".rstrip())


def _keys(found: LoraInfo) -> str:
    return ", ".join(" ".join(leak.key[:60].split()) for leak in found.leaks)


def _card(found: LoraInfo, recipe: Recipe | None, wishes: _Wishes) -> Card:
    public = training_of(found.metadata if wishes.keep_metadata else stripped(found.metadata)).settings
    named = Path(recipe.base.model).name if recipe else found.training.settings.get("base_model", "")
    trigger = wishes.trigger
    if trigger is None:
        trigger = recipe.dataset.trigger if recipe else public.get("trigger", "")
    of_run = recipe.samples.prompts if recipe else ()
    return Card(
        repo=wishes.repo,
        file=found.path.name,
        title=found.path.stem,
        kind=_TYPES.get(found.type, found.type),
        family=found.family,
        rank=found.rank,
        alpha=found.alpha,
        settings={**_recipe_settings(recipe), **public},
        base_model=wishes.base_model or Path(named).name,
        trigger=trigger,
        prompts=wishes.prompts or of_run or ((trigger,) if trigger else ()),
        license=wishes.license_name or "",
        sheet=_SHEET if wishes.sheet else "",
    )


def _recipe_settings(recipe: Recipe | None) -> dict[str, str]:
    """What the run's recipe says, for what the file does not."""
    if recipe is None:
        return {}
    values = {
        "batch_size": recipe.steps.batch_size,
        "steps": recipe.steps.target,
        "resolution": "x".join(map(str, recipe.training.resolution)),
        "optimizer": recipe.optimizer.name,
        "scheduler": recipe.optimizer.schedule,
        "unet_rate": recipe.optimizer.unet_rate,
        "text_encoder_rate": recipe.optimizer.text_encoder_rate,
        "clip_skip": recipe.training.clip_skip,
        "noise_offset": recipe.training.noise_offset,
        "precision": recipe.training.precision,
        "seed": recipe.training.seed,
    }
    return {key: str(value) for key, value in values.items() if value is not None}


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        raise refusal(path, "this is no text in UTF-8.", "Save the card as UTF-8.") from None


def _check_png(path: Path) -> None:
    with path.open("rb") as file:
        if file.read(len(_PNG)) != _PNG:
            raise refusal(path, "this is no PNG picture.", "Make a sheet with: loratui lora try")


def _keep(file: Path, text: str) -> Path:
    """Write the card beside the LoRA. The same card again is no matter; another is not written over."""
    path = file.with_suffix(".card.md")
    if path.exists() and _read(path) != text:
        raise refusal(
            path, "another card is there already and is not written over.", "Use it with --card, or move it."
        )
    with new_file(path, "Make room, or copy the LoRA to a folder you can write to.") as temporary:
        temporary.write_text(text, "utf-8")
    return path
