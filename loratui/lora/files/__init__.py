"""LoRA files and checkpoints as tensors with names: read piece by piece, and written."""
