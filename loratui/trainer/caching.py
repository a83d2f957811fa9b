"""Everything that is encoded once, before the first step."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random

import torch

from loratui.dataset.captions import apply
from loratui.formats.sample_prompts import Prompt
from loratui.problems import UserError, refusal
from loratui.trainer.base.loading import BaseModel
from loratui.trainer.captions.conditions import Conditions
from loratui.trainer.captions.text_files import TextFiles, far_apart
from loratui.trainer.distributed import Together
from loratui.trainer.lora.held import held_parts
from loratui.trainer.pictures.data import Item
from loratui.trainer.pictures.latent_files import LatentFiles
from loratui.trainer.pictures.latents import LatentCache, encode_pictures
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.settings.config import TrainConfig


def encode_dataset_pictures(
    config: TrainConfig,
    model: BaseModel,
    items: list[Item],
    seed: int,
    device: torch.device,
    report: Reporter,
    *,
    skip_damaged: bool = False,
    together: Together | None = None,
) -> LatentCache:
    """All pictures through the VAE, which then goes back to the CPU; those that change wait until they are
    shown.

    Raises ``UserError`` for a picture that cannot be read; ``skip_damaged`` names it and takes it out of
    ``items`` by showing it 0 times.
    """

    def damaged(index: int, error: UserError) -> None:
        report.message("warning", f"{error} It is left out.")
        items[index] = replace(items[index], repeats=0, validation=False)

    model.vae.to(device)
    files = None
    if config.cache_latents_to_disk:
        files = LatentFiles(config.family, checked=not config.skip_cache_check)
    cache = encode_pictures(
        model.vae,
        items,
        fixed=config.caches_latents,
        seed=seed,
        progress=lambda done, total: report.progress("caching", done, total, "pictures"),
        files=files,
        damaged=damaged if skip_damaged else None,
        together=together,
    )
    if not any(item.repeats for item in items if not item.picture.is_regularization):
        message = "none of its pictures can be read."
        raise refusal(config.pictures, message, "Copy them here once more.", "image_corrupt")
    model.vae.to("cpu")
    return cache


def encode_captions(
    config: TrainConfig,
    model: BaseModel,
    items: list[Item],
    prompts: list[Prompt],
    device: torch.device,
    report: Reporter,
    together: Together | None = None,
) -> Conditions:
    """Encode what never changes, and let go of the text encoders when nothing else needs them. Several
    processes share the work. Raises ``UserError`` when the disk refuses outputs that are to be kept there."""
    for encoder in model.text_encoders:
        encoder.to(device)
    longest = config.token_limit
    cut = sum(len(model.tokenizers[0].tokens(item.caption)) > longest for item in items)
    if cut:
        report.message(
            "warning",
            f"{cut} of {len(items)} captions are longer than {longest} tokens; what follows is not seen.",
        )
    trained = any(config.text_encoder_rates)
    conditions = Conditions(
        model,
        config.clip_skip,
        device,
        trained=trained,
        weighted=config.weighted_captions,
        most=config.token_limit,
    )
    if trained or held_parts(config) - {"unet"}:
        return conditions
    together = together or Together()
    texts = []
    for item in items:
        rules = item.subset.rules
        if not rules.varies:
            texts.append(_whole(item))
            texts += [""] if rules.dropout or rules.dropout_every else []

    def remember(wanted: Iterable[str]) -> None:
        conditions.remember(
            wanted, lambda done, total: report.progress("caching", done, total, "captions"), together
        )

    if config.cache_text_encoder_outputs_to_disk:
        _through_files(config, model, items, conditions, report, together, remember)
    remember(texts)
    if prompts:
        # After the captions, which come out the same to the last bit, then, whatever is drawn.
        conditions.remember_to_draw(prompts)
    if not any(item.subset.rules.varies for item in items):
        model.text_encoders.clear()
    return conditions


def _whole(item: Item) -> str:
    """The caption of a picture whose words are always the same."""
    return apply(item.caption, replace(item.subset.rules, dropout=0.0, dropout_every=0), Random())


def _through_files(
    config: TrainConfig,
    model: BaseModel,
    items: list[Item],
    conditions: Conditions,
    report: Reporter,
    together: Together,
    remember: Callable[[Iterable[str]], None],
) -> None:
    """Take from disk what lies there, and write the rest. Each process writes for its own pictures."""
    first = conditions.plain(_whole(items[0]))
    assert first.pooled is not None
    widths = [int(encoder.config["hidden_size"]) for encoder in model.text_encoders]
    files = TextFiles(
        (widths[0], widths[1]),
        first.states.shape[1],
        first.pooled.shape[1],
        first.states.dtype,
        checked=not config.skip_cache_check,
    )
    known = {index: condition for index, item in enumerate(items) if (condition := files.read(item))}
    if known and files.checked:
        index = min(known)
        name, own = files.path(items[index]).name, conditions.plain(_whole(items[index]))
        if not far_apart(known[index].states, own.states):
            if far_apart(known[index].pooled, own.pooled):
                report.message(
                    "warning",
                    f"{name} holds a pooled output as sd-scripts works it out from a single file; programs"
                    " that draw have another. It is used as it is; delete the files to have them made again.",
                )
        else:
            report.message(
                "warning",
                f"{name} and others like it were made by another model's text encoders. They are made again.",
            )
            known = {}
    conditions.put({_whole(items[index]): condition for index, condition in known.items()})
    missing = [item for index, item in enumerate(items) if index not in known]
    remember(_whole(item) for item in missing)
    failed: UserError | None = None
    for item in missing[together.rank :: together.world]:
        try:
            files.write(item, conditions.plain(_whole(item)))
        except UserError as error:
            failed = error
            break
    for one in together.gather(failed):
        if one is not None:
            raise one
