"""``loratui dataset``: everything that mends a dataset."""
