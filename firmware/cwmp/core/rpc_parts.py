"""What several methods share: collectors of arguments, and pieces of answers."""

from micropython import const

from ..wire.soap import array_head, escape
from .fault import CwmpFault

_MAX_ITEMS = const(128)  # names or parameters of one request
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


class Names(List):
    """ParameterNames."""

    def leaf(self, parent, local, text, xsi_type):
        if parent == "ParameterNames":
            self.add(text)

    def found(self, model):
        """-> the paths and how many parameters they stand for; CwmpFault, before the first byte
        of an answer is written.
        """
        count = 0
        for path in self.checked():
            for _ in model.expand(path):
                count += 1
        return self.items, count


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


def string_list(tag, texts):
    """Pieces of an array of strings."""
    yield array_head(tag, "xsd:string", len(texts))
    for text in texts:
        yield b"<string>"
        yield escape(text)
        yield b"</string>"
    yield (f"</{tag}>").encode()
