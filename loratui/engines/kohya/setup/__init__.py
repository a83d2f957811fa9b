"""Setting up sd-scripts: a checkout, a virtual environment of its own, the torch of this machine.

Every step is recorded when it is done: an interrupted setup goes on, and one that is whole does nothing.
"""
