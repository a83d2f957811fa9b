"""Screens that mend a dataset."""
