"""The engines there are, by name."""

from __future__ import annotations

from loratui.engines.builtin import BuiltinEngine
from loratui.engines.engine import Engine
from loratui.engines.kohya.engine import KohyaEngine
from loratui.recipe import EngineName


def engine(name: EngineName) -> Engine:
    """The engine of that name."""
    return KohyaEngine() if name == "kohya" else BuiltinEngine()
