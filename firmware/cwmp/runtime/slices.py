"""Modules that are loaded for one purpose and dropped afterwards, where memory is scarce.

A module that nobody refers to any more is collected, code and all; only its names stay.
"""

import gc
import sys

# Bytes of heap, what it may grow by included. Below it the agent and everything that a session
# needs do not fit beside Wi-Fi and TLS: an ESP32 without PSRAM.
_PLENTY = 200000
_scarce = None


def scarce():
    """Whether this board should drop what it does not need at the moment."""
    global _scarce
    if _scarce is None:  # asking walks through the heap
        _scarce = gc.mem_alloc() + gc.mem_free() < _PLENTY
    return _scarce


def drop(package, name):
    """Forget the module `name` of `package`, if it is loaded. Nothing of it may be in use."""
    module = sys.modules.pop(package.__name__ + "." + name, None)
    if module is None:
        return  # a session that ended meanwhile has dropped it
    delattr(package, name)
    # The collector takes any word for a reference that looks like one: without its contents, a
    # module that a forgotten word on the stack points to is no loss.
    module.__dict__.clear()


def borrow(name):
    """Return the module `room.name` of this package for one use. Where memory is scarce it lives
    only as long as the caller holds it.
    """
    root = __name__.partition(".")[0]
    room, _, last = name.partition(".")
    package = getattr(__import__(root + "." + name), room)
    module = getattr(package, last)
    if scarce():
        del sys.modules[root + "." + name]
        delattr(package, last)
    return module


def drop_all(names):
    """Forget those modules of this package, `room.name`, that are loaded, and collect."""
    root = __name__.partition(".")[0] + "."
    for full in names:
        room, _, name = full.partition(".")
        if root + full in sys.modules:
            drop(sys.modules[root + room], name)
    gc.collect()
