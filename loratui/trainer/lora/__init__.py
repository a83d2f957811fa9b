"""The network that is trained: its layers, its names, its file."""
