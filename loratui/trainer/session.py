"""One training from config to final file: everything before the loop, and the last word."""

from __future__ import annotations

import dataclasses
import datetime
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from loratui import events
from loratui.atomic import ensure_writable
from loratui.formats.sample_prompts import Prompt, read_prompts
from loratui.models.inspect import inspect
from loratui.problems import Problem, UserError
from loratui.trainer.allocator import keep_freed_blocks
from loratui.trainer.assembly import network_on, stepper_for
from loratui.trainer.base.base_files import BaseFiles
from loratui.trainer.base.base_precision import DTYPES, pack_text_encoders, pack_unet
from loratui.trainer.base.base_weights import merge_base_weights
from loratui.trainer.base.loading import BaseModel, load
from loratui.trainer.base.packing import weight_bytes
from loratui.trainer.base.vae_file import load_vae
from loratui.trainer.caching import encode_captions, encode_dataset_pictures
from loratui.trainer.distributed import Together
from loratui.trainer.loop import Training
from loratui.trainer.lora import lora_file, metadata
from loratui.trainer.lora.network import Network
from loratui.trainer.optimizing import optimizers
from loratui.trainer.pictures import data
from loratui.trainer.pictures.batches import Buckets, batches_per_epoch
from loratui.trainer.pictures.data import Item
from loratui.trainer.randomness import seed_all
from loratui.trainer.reporting.average_loss import AverageLoss
from loratui.trainer.reporting.report import Reporter
from loratui.trainer.reporting.step_events import Telling
from loratui.trainer.resuming import first_step_of, restore, seed_of
from loratui.trainer.samples.drawing import Drawer
from loratui.trainer.saving import checkpoints, state
from loratui.trainer.schedule import Plan, plan
from loratui.trainer.settings.config import TrainConfig
from loratui.trainer.settings.options import Options, packs_unet
from loratui.trainer.stopping import StopRequest
from loratui.trainer.validating import validation_batches

_PATIENCE = 60
"""Minutes that the other processes wait while the leading one draws or saves."""

_TINY = 10_000_000
"""Parameters."""


def train(config: TrainConfig, report: Reporter, stop: StopRequest, options: Options) -> int:
    """Run a training and say how it ended. Returns the exit code: 0 or 1.

    Raises ``UserError`` for whatever only the person can put right.
    """
    training = prepare(config, report, stop, options)
    if stop.requested:
        report.emit(events.Ended("stopped", training.step, by_signal=stop.by_signal))
        return 0
    stop.defer()
    outcome = training.run()
    final = str(checkpoints.lora_path(config, config.name)) if outcome == "finished" else ""
    report.emit(events.Ended(outcome, training.step, final, stop.by_signal if outcome == "stopped" else 0))
    return 1 if outcome == "failed" else 0


def prepare(config: TrainConfig, report: Reporter, stop: StopRequest, options: Options) -> Training:
    """Read, load, encode and build everything, in the order in which mistakes show soonest."""
    started = time.time()
    chosen = optimizers.choose(config)
    accelerator = _accelerator(config)
    device, together = accelerator.device, Together.of(accelerator)
    progress = state.read_progress(Path(config.resume).expanduser()) if config.resume else None
    seed = seed_of(config, progress)
    report.phase("dataset", config.pictures)
    ensure_writable(Path(config.output_dir).expanduser())
    prompts = _prompts(config)

    def damaged(path: Path) -> None:
        report.message("warning", f"{path}: this picture cannot be read; it is damaged. It is left out.")

    items = data.load_items(config, damaged if options.skip_damaged else None, seed=seed)
    sizes = [dataset.batch_size for dataset in config.datasets()]
    _, totals = _planned(config, items, sizes, together.world)
    items = data.for_steps(items, totals.total_steps)
    config = _saved_by_ratio(config, totals.epochs)
    first_step = first_step_of(config, progress, totals, report)
    report.phase("model", config.hub_id or Path(config.pretrained_model_name_or_path).name)
    base_files = BaseFiles(_base_path(config) if device.type == "cpu" else None)
    model = _base_model(config, options, report, decodes=bool(prompts))
    if device.type == "cpu":
        _choose_threads(model)
        keep_freed_blocks()
    latents = encode_dataset_pictures(
        config, model, items, seed, device, report, skip_damaged=options.skip_damaged, together=together
    )
    buckets, totals = _planned(config, items, sizes, together.world)  # without those left out
    pack_text_encoders(config, options, model, device)
    conditions = encode_captions(config, model, items, prompts, device, report, together)
    report.phase("network", f"rank {config.rank}, alpha {config.alpha:g}")
    _pack_unet(config, options, model, device, report)
    seed_all(seed)
    network = _network(config, model, device, report)
    scheduled = progress.schedule_step if progress else 0
    stepper = stepper_for(config, chosen, accelerator, model.unet, network, totals.total_steps, scheduled)
    if progress is not None:
        restore(config, progress, stepper)
    if config.gradient_checkpointing:
        _checkpoint_gradients(config, model)
    report.emit(
        events.Planned(
            totals.total_steps,
            totals.epochs,
            data.training_images(items),
            totals.batches_per_epoch,
            first_step,
        )
    )
    return Training(
        config=config,
        stepper=stepper,
        items=items,
        buckets=buckets,
        batch_sizes=sizes,
        validation=validation_batches(items, sizes, config, seed),
        latents=latents,
        conditions=conditions,
        drawer=Drawer(config, model, conditions, prompts, stepper.diffusion.signal, accelerator),
        plan=totals,
        seed=seed,
        report=report,
        telling=Telling(
            report,
            stepper.groups,
            device,
            AverageLoss(list(progress.losses) if progress and first_step else None),
            first_step,
            late=stepper.can_be_late,
        ),
        stop=stop,
        options=options,
        entries=metadata.of_training(config, items, totals, seed, started, chosen.words),
        base_files=base_files,
        step=first_step,
        schedule_offset=scheduled - first_step,
    )


def _base_path(config: TrainConfig) -> Path:
    return Path(config.pretrained_model_name_or_path).expanduser()


def _base_model(config: TrainConfig, options: Options, report: Reporter, *, decodes: bool) -> BaseModel:
    """The base model with what is merged into it, and its VAE; ``decodes`` where samples are drawn."""
    dtype = DTYPES[config.mixed_precision]
    model = load(
        _base_path(config),
        config.family,
        dtype,
        projection_as_stored=options.as_sd_scripts,
        # What is merged into it is added in the precision that it is used in.
        as_stored=["unet"] if config.base_weights else ["unet", "text_encoder"],
        decodes=decodes,
    )
    for remark in merge_base_weights(config, model, None if packs_unet(config, options) else dtype):
        report.message("warning", remark)
    if config.vae:
        vae = Path(config.vae).expanduser()
        model.vae = load_vae(vae, _base_path(config), config.family, decodes=decodes)
    _warn_of_prediction(config, report)
    return model


def _pack_unet(
    config: TrainConfig, options: Options, model: BaseModel, device: torch.device, report: Reporter
) -> None:
    pack_unet(config, options, model.unet, device)
    if packs_unet(config, options):
        size = weight_bytes(model.unet) / 2**20
        kind = "4 bits" if options.base_4bit else "float8"
        report.message("info", f"The U-Net's weights are kept in {kind}: {size:.1f} MiB.")


def _network(config: TrainConfig, model: BaseModel, device: torch.device, report: Reporter) -> Network:
    """The network as it stands before the first step, or before a state is loaded."""
    network = network_on(config, model, device)
    if config.network_weights:
        # With dim_from_weights too: the sizes were taken from the file, and now the values are.
        for remark in lora_file.load_into(network, Path(config.network_weights).expanduser()):
            report.message("warning", remark)
    if config.full_bf16 or config.full_fp16:
        network.cast(DTYPES[config.mixed_precision])
    return network


def _saved_by_ratio(config: TrainConfig, epochs: int) -> TrainConfig:
    """save_n_epoch_ratio as save_every_n_epochs (train_network.py:978)."""
    if not config.save_n_epoch_ratio:
        return config
    return dataclasses.replace(config, save_every_n_epochs=epochs // config.save_n_epoch_ratio or 1)


def _warn_of_prediction(config: TrainConfig, report: Reporter) -> None:
    """A model that says it predicts v, trained to predict noise, only forgets what it knew. And where nothing
    but noise is left there is nothing to predict (sd-scripts warns of it too: library/train_util.py,
    ``verify_training_args``)."""
    if config.zero_terminal_snr and not config.v_parameterization:
        report.message(
            "warning",
            "zero_terminal_snr is made for models that predict v: at the last timestep nothing but noise is"
            " left, and this training learns nothing from it. Remove it, unless you meant that.",
        )
    found = inspect(_base_path(config))
    if found.prediction == "v" and not config.v_parameterization:
        report.message(
            "warning",
            f"The base model predicts v ({found.evidence[-1]}), and it is trained as one that predicts noise:"
            " set v_parameterization = true.",
        )


def _planned(
    config: TrainConfig, items: list[Item], sizes: Sequence[int], processes: int
) -> tuple[Buckets, Plan]:
    buckets = data.bucket_lists(items)
    return buckets, plan(
        math.ceil(batches_per_epoch(buckets, sizes) / processes),
        config.gradient_accumulation_steps,
        config.max_train_steps,
        config.max_train_epochs,
    )


def _accelerator(config: TrainConfig) -> Any:
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    patience = datetime.timedelta(minutes=config.ddp_timeout or _PATIENCE)
    accelerator = Accelerator(
        mixed_precision=config.mixed_precision,
        cpu=not torch.cuda.is_available(),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=patience)],
    )
    if config.mixed_precision == "fp16" and accelerator.device.type == "cpu":
        message = "fp16 needs a GPU, and there is none here."
        problem = Problem("mixed_precision", message, 'Write "no" or "bf16".', "torch_cpu")
        raise UserError(str(config.source), problem)
    return accelerator


def _choose_threads(model: BaseModel) -> None:
    """One thread for tiny models, unless the environment says otherwise: on two cores the
    demo's step takes 44 ms with one thread, and 62 ms with two."""
    size = sum(parameter.numel() for parameter in model.unet.parameters())
    if size < _TINY and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)


def _prompts(config: TrainConfig) -> list[Prompt]:
    wanted = config.sample_at_first or config.sample_every_n_epochs or config.sample_every_n_steps
    if not config.sample_prompts or not wanted:
        return []
    return read_prompts(Path(config.sample_prompts).expanduser(), config.size)


def _checkpoint_gradients(config: TrainConfig, model: BaseModel) -> None:
    model.unet.enable_gradient_checkpointing()
    if any(config.text_encoder_rates):
        for encoder in model.text_encoders:
            encoder.enable_gradient_checkpointing()
