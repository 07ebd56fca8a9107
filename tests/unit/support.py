"""What unit tests may use: every file here runs under CPython and under MicroPython, so there is
no pytest in it.
"""

import json

from cwmp.wire.http_auth import authorization
from cwmp.wire.http_challenge import taken

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


class DigestClient:
    """A client of HTTP Digest that keeps what it was challenged with."""

    def __init__(self, username, password):
        self.username = username
        self.password = password
        self.params = None

    @property
    def nonce(self):
        return self.params["nonce"]

    def challenge(self, params):
        self.params = taken(params, self.params)

    def authorization(self, method, uri, cnonce):
        return authorization(self.params, self.username, self.password, method, uri, cnonce)
