"""Base models: told apart by their headers, named by a catalogue, fetched."""
