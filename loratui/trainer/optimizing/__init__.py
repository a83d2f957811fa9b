"""Optimizers, learning rates and the gradient scaler."""
