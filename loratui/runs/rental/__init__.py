"""Rented machines: stopped after a run, and what is done when one comes up again."""
