"""What unit tests may use: every file here runs under CPython and under MicroPython, so there is
no pytest in it.
"""

import json

VECTORS = __file__.rsplit("/", 2)[0] + "/data/" if "/" in __file__ else "../data/"


def vectors(name):
    """Return the parsed known answers of `tests/data/<name>.json`."""
    with open(VECTORS + name + ".json") as file:
        return json.load(file)


def raises(kind, function, *args):
    """Call `function(*args)`, return the exception of `kind` that it must raise."""
    try:
        function(*args)
    except kind as error:
        return error
    raise AssertionError("{} was not raised".format(kind.__name__))
