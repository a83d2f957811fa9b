"""Everything that is encoded once, before the first step."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import torch

from loratui.dataset.captions import apply
from loratui.problems import UserError, refusal
from loratui.trainer.conditions import Conditions
from loratui.trainer.config import TrainConfig
from loratui.trainer.data import Item
from loratui.trainer.latent_files import LatentFiles
from loratui.trainer.latents import LatentCache, encode_pictures
from loratui.trainer.loading import BaseModel
from loratui.trainer.prompts import Prompt
from loratui.trainer.report import Reporter


def encode_dataset_pictures(
    config: TrainConfig,
    model: BaseModel,
    items: list[Item],
    seed: int,
    device: torch.device,
    report: Reporter,
    *,
    skip_damaged: bool = False,
) -> LatentCache:
    """All pictures through the VAE, which then goes back to the CPU.

    Raises ``UserError`` for a picture that cannot be read; ``skip_damaged`` names it and takes it out of
    ``items`` by showing it 0 times.
    """

    def damaged(index: int, error: UserError) -> None:
        report.message("warning", f"{error} It is left out.")
        items[index] = replace(items[index], repeats=0)

    model.vae.to(device)
    files = None
    if config.cache_latents_to_disk:
        files = LatentFiles(config.family, checked=not config.skip_cache_check)
    cache = encode_pictures(
        model.vae,
        items,
        flip=config.flip_aug,
        fixed=config.cache_latents or config.cache_latents_to_disk,
        seed=seed,
        progress=lambda done, total: report.progress("caching", done, total, "pictures"),
        files=files,
        damaged=damaged if skip_damaged else None,
    )
    if not any(item.repeats for item in items if not item.picture.is_regularization):
        raise refusal(config.train_data_dir, "none of its pictures can be read.", "Copy them here once more.")
    model.vae.to("cpu")
    return cache


def encode_captions(
    config: TrainConfig,
    model: BaseModel,
    items: list[Item],
    prompts: list[Prompt],
    device: torch.device,
    report: Reporter,
) -> Conditions:
    """Encode what never changes, and let go of the text encoders when nothing else needs them."""
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
    if trained:
        return conditions
    texts = [text for prompt in prompts for text in (prompt.text, prompt.negative)]
    rules = config.caption_rules
    if not rules.varies:
        plain = replace(rules, dropout=0.0, dropout_every=0)
        texts += [apply(item.caption, plain, Random()) for item in items]
        texts += [""] if plain != rules else []
    conditions.remember(texts, lambda done, total: report.progress("caching", done, total, "captions"))
    if not rules.varies:
        model.text_encoders.clear()
    return conditions
