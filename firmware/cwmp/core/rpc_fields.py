"""Collectors of arguments that are no long lists of names, and what answers them. Loaded with the
methods that have such.
"""

from micropython import const

from ..wire.soap import array_head, escape
from .fault import CwmpFault
from .rpc_parts import checked

_MAX_ITEMS = const(128)  # of a list whose items are objects
_MAX_FIELDS = const(16)


class Fields:
    """Arguments that are single values."""

    def __init__(self):
        self._fields = {}

    def leaf(self, parent, local, text, xsi_type):
        if len(self._fields) < _MAX_FIELDS:
            self._fields[local] = text

    def end(self, local):
        pass

    def text(self, name, limit=256):
        """-> str; CwmpFault 9003 when it is missing or longer than `limit`."""
        return checked(name, self._fields.get(name), limit)

    def boolean(self, name):
        text = self.text(name, 32).strip()
        if text not in ("0", "1", "false", "true"):
            raise CwmpFault(9003, name + " is not a boolean")
        return text in ("1", "true")


class List:
    """A bounded list; what does not fit or is malformed is remembered as the fault of the whole
    call.
    """

    def __init__(self):
        self.items = []
        self.fault = None

    def add(self, item):
        if len(self.items) < _MAX_ITEMS:
            self.items.append(item)
        else:
            self.fault = CwmpFault(9004)

    def checked(self):
        """-> the items; CwmpFault."""
        if self.fault:
            raise self.fault
        return self.items

    def end(self, local):
        pass


def string_list(tag, texts):
    """Pieces of an array of strings."""
    yield array_head(tag, "xsd:string", len(texts))
    for text in texts:
        yield b"<string>"
        yield escape(text)
        yield b"</string>"
    yield (f"</{tag}>").encode()
