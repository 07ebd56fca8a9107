"""TR-069 Connection Request agent for MicroPython: see docs/architecture.md for the rooms of this
package.
"""

import sys

VERSION = "0.1.0"


def _know(names):
    # MicroPython's own modules: a file in each folder of sys.path may extend such a one, and it
    # is looked for whenever somebody imports the module, unless its name is known already.
    usual = sys.path[:]
    sys.path[:] = (".frozen",)
    try:
        for name in names.split():
            try:
                sys.modules[name] = __import__(name)
            except ImportError:
                pass  # not on this board
    finally:  # Ctrl-C leads to a prompt that finds its modules
        sys.path[:] = usual


if sys.implementation.name == "micropython":
    _know("asyncio time os socket machine binascii json hashlib struct select array errno io")
del _know
