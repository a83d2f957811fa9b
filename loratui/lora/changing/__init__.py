"""New files out of LoRAs and checkpoints."""
