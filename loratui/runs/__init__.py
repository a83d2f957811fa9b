"""Runs: folders of files that a supervisor writes and everybody else only reads."""
