"""The dataset check: what is wrong with a set, and the command that mends it."""
