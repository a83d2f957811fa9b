"""The panel of one run: a pure reader of its files."""
