"""Whether a LoRA file is sound, how strong it is, and whether it fits a base model."""
