"""This machine at this moment: GPUs, memory, disk, and what was measured of them."""
