"""Modules that are loaded for one purpose and dropped afterwards, where memory is scarce.

A module that nobody refers to any more is collected, code and all; only its names stay.
"""

import gc
import sys

# Bytes of heap, what it may grow by included. Below it the agent and everything that a session
# needs do not fit beside Wi-Fi and TLS: an ESP32 without PSRAM.
_PLENTY = 200000


def scarce():
    """Whether this board should drop what it does not need at the moment."""
    return gc.mem_alloc() + gc.mem_free() < _PLENTY


def drop(package, name):
    """Forget the module `name` of `package`: the collector takes it when nobody uses it."""
    full = package.__name__ + "." + name
    if full in sys.modules:  # a session that ended meanwhile may have dropped it
        del sys.modules[full]
        delattr(package, name)


class Slices:
    """What is loaded when this is made stays; `drop` forgets what came after that."""

    def __init__(self):
        self._resident = set(sys.modules)

    def drop(self):
        """Forget the modules of this package that are not resident, and collect."""
        for name in list(sys.modules):
            if name.startswith("cwmp.") and name not in self._resident:
                package, _, leaf = name.rpartition(".")
                drop(sys.modules[package], leaf)
        gc.collect()
