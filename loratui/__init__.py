"""A keyboard-driven terminal wizard for training LoRAs."""

__version__ = "0.1.0"
