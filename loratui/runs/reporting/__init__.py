"""Runs told to a person: a page, a comparison, a sheet of samples."""
