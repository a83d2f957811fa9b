"""Sample pictures, drawn by a model with its LoRA."""
