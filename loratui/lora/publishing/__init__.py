"""A LoRA for others: its card, what it gives away, the hub."""
