"""Modules that are loaded for one purpose and dropped afterwards."""

import sys


def drop(package, name):
    """Forget the module `name` of `package`: the collector takes it when nobody uses it."""
    del sys.modules[package.__name__ + "." + name]
    delattr(package, name)
