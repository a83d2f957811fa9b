"""What settings do that nothing is advised for, in a sentence or two, as Review says it below its list."""

from __future__ import annotations

MEANINGS = {
    "base.model": "What the LoRA is made for, and its relatives. 1 goes to the choice.",
    "base.vae": "Another VAE in place of the model's own; none is right for nearly every model.",
    "dataset.folder": "Where the pictures lie. 2 goes there; ctrl+t there mends them.",
    "dataset.regularization": "Pictures of the kind in general, which keep it as it is. Few sets need any.",
    "dataset.purpose": "Much of what is advised follows from it. 3 goes to the choice.",
    "dataset.trigger": "The word that calls it up in a prompt. 4 goes there.",
    "dataset.caption_extension": "How the files end that hold the captions: cat.png and cat.txt.",
    "dataset.shuffle_captions": "Tags in another order each time, so that none counts for its place alone. "
    "For tags, not for sentences.",
    "dataset.keep_tokens": "So many tags at the beginning stay in front when the rest is shuffled: 1 keeps "
    "the trigger word there.",
    "dataset.flip": "Each picture mirrored every other time. Not for what has a left and a right: partings, "
    "scars, letters.",
    "dataset.skip_damaged": "Leave out pictures that cannot be read, naming each; otherwise training ends "
    "there. The builtin engine alone can.",
    "steps.epochs": "How often the whole set is shown. 5 goes there.",
    "steps.target": "So many steps in place of a number of epochs.",
    "steps.batch_size": "Pictures at once. More takes memory and makes fewer, smoother steps; the rate may "
    "rise with it.",
    "steps.accumulation": "So many batches make one step: the effect of a larger batch without its memory, "
    "at as much more time.",
    "network.weights": "A LoRA to go on from, in place of an empty one. Its rank must be the same.",
    "network.conv_rank": "The rank of the convolutions of a LoCon.",
    "network.conv_alpha": "The alpha of the convolutions of a LoCon.",
    "training.buckets": "Pictures keep their shapes, sorted into sizes of about the same area. Without, each "
    "is cropped to one size.",
    "training.bucket_min": "No bucket has a shorter side, in pixels.",
    "training.bucket_max": "No bucket has a longer side, in pixels.",
    "training.bucket_step": "Sides of buckets are multiples of this, in pixels.",
    "training.bucket_no_upscale": "Small pictures stay as small as they are, in buckets of their own, "
    "instead of being enlarged.",
    "training.seed": "The same seed, settings and machine give the same LoRA.",
    "training.gradient_checkpointing": "Computes parts of each step twice: much less memory, more time.",
    "training.base_4bit": "The base model in 4 bits, for the smallest cards: slower, a little coarser. Needs "
    "the package bitsandbytes.",
    "training.cache_latents": "The VAE works once per picture, not at every step.",
    "samples.prompts": "Pictures drawn while it trains, one for each; separate them with ;",
    "samples.negative": "What sample pictures shall not show.",
    "samples.steps": "Steps of drawing one sample picture; 20 is plenty to judge by.",
    "samples.scale": "How closely sample pictures follow their prompt (CFG).",
    "samples.width": "Of sample pictures, in pixels; none takes the resolution.",
    "samples.height": "Of sample pictures, in pixels; none takes the resolution.",
    "samples.seed": "The same seed draws the same picture, so that epochs can be compared.",
    "output.name": "The files are called so.",
    "output.folder": "Where the LoRA files go; none keeps them in the run's own folder.",
    "output.precision": "Of the numbers in the LoRA file. fp16 is what everybody reads, at half the size.",
    "output.keep_last": "Only so many checkpoints stay, the newest; none keeps all.",
    "output.save_state": "Keeps what resuming needs with each checkpoint. Without, a broken run begins anew.",
    "output.state_minutes": "Keeps what resuming needs also every so many minutes, for machines that "
    "vanish. 0 does not. The builtin engine alone can.",
    "launch.as_sd_scripts": "Repeats what sd-scripts computes otherwise than the programs people draw with. "
    "For comparing the two, not for use.",
    "launch.num_processes": "GPUs at work, over all machines; each takes a batch of its own.",
    "launch.num_machines": "Machines that train together.",
    "launch.machine_rank": "Which of them this is; 0 writes the LoRA.",
    "launch.main_process_ip": "The address under which the others reach machine 0.",
    "launch.main_process_port": "The port of machine 0; none takes 29500.",
    "launch.stop_machine": "Stops this rented machine (RunPod, vast.ai) after the run: when it has finished, "
    "or however it has ended. none: as notify.toml says.",
}
"""By dotted key."""
