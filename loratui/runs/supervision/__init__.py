"""The parts of a run's supervisor: the trainer as its child, its signs of life, its verdict."""
