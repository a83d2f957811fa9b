"""The list of runs, and what is done from it."""
