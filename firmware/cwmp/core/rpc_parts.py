"""What several methods share: a collector of long lists, and pieces of answers."""

from micropython import const

from ..wire.soap import own
from .fault import CwmpFault

_PACKED = const(16384)  # bytes that names and values of one request may take
_BLOCK = const(480)


class Packed:
    """A list of `width` texts each, the first of them a name: in memory little more than its
    letters, in small blocks. What does not fit or is malformed is remembered as the fault of the
    whole call.
    """

    def __init__(self, width):
        self.fault = None
        self._width = width
        self._blocks = []
        self._open = []
        self._size = 0
        self._room = _BLOCK
        self._table = None  # what most names begin with: only the rest of those is kept
        self._last = None  # last text of the item before: a type, the same one most of the time

    def add(self, name, *others):
        """Take one item."""
        table = self._table
        if table is None:  # of a.b.1.c it is a.b.
            table = self._table = name[: name.rfind(".", 0, max(name.rfind("."), 0)) + 1]
        if table and name.startswith(table):
            name = "\1" + name[len(table) :]
        else:
            name = "\2" + name
        if others:
            last = others[-1]
            if last == self._last:
                others = others[:-1] + ("\1",)
            self._last = last
        for text in (name,) + others:
            self._open.append(text)
            self._size += len(text) + 1
        if self._size > _PACKED:
            self.fault = CwmpFault(9004)
            self._blocks = []
            self._size = 0
        if self._size > self._room:
            self._room = self._size + _BLOCK
            # XML has no character that could be the separator.
            self._blocks.append("\0".join(self._open))
            self._open.clear()

    def checked(self):
        """-> the items, which can be gone through as often as need be; CwmpFault."""
        if self.fault:
            raise self.fault
        return self

    def __iter__(self):
        last = None
        for block in self._blocks + ["\0".join(self._open)]:
            texts = block.split("\0") if block else ()
            for at in range(0, len(texts), self._width):
                name = texts[at]
                head = self._table if name[0] == "\1" else ""
                others = texts[at + 1 : at + self._width]
                if others:
                    if others[-1] == "\1":
                        others[-1] = last
                    last = others[-1]
                yield (head + name[1:],) + tuple(others)

    def end(self, local):
        pass


class Names(Packed):
    """ParameterNames."""

    def __init__(self):
        super().__init__(1)

    def leaf(self, parent, local, text, xsi_type):
        if parent == "ParameterNames":
            self.add(own(text))

    def found(self, model):
        """-> the paths and how many parameters they stand for; CwmpFault, before the first byte
        of an answer is written.
        """
        count = 0
        for (path,) in self.checked():
            for _ in model.expand(path):
                count += 1
        return self, count


def checked(name, text, limit):
    """-> the argument `text`; CwmpFault 9003 when it is None or longer than `limit`."""
    if text is None:
        raise CwmpFault(9003, name + " is missing")
    if len(text) > limit:
        raise CwmpFault(9003, f"{name} is longer than {limit}")
    return text


def response(method, content=""):
    """Pieces of a short one."""
    yield (f"<cwmp:{method}Response>{content}</cwmp:{method}Response>").encode()
