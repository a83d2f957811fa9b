"""Runs that wait for a GPU."""
