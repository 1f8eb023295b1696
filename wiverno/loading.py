"""Imports of wiverno's own modules at a start, without collections of the garbage collector."""

import gc
from importlib import import_module


def load(module: str, name: str) -> object:
    """Import a module and return what it has of this name.

    Modules, classes and functions refer to one another and stay: the collector would search them again and again, for
    5 of a start's 100 ms, and find next to nothing.
    """
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        value: object = getattr(import_module(module), name)
        return value
    finally:
        if is_collecting:
            gc.enable()
