"""Recipes out of other programs' settings."""
