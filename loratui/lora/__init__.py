"""Finished LoRA files."""
