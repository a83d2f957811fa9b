"""Trainings recorded from sd-scripts, read to be replayed."""
