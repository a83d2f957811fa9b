"""What this machine has and can: each thing with what was found and, where it is wrong, what mends it.

Standard library only, and any Python from 3.8 on, so that it runs before anything is installed:
``python3 loratui/doctor`` in an unpacked source, or ``loratui doctor``.
"""
