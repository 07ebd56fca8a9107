"""SOAP 1.1 envelopes of CWMP: what one says, and writers that never hold a long one whole.
`envelope.py` reads them.

CWMP-10..14 namespaces, header elements, arrays; CWMP-16 escaping; CWMP-17 faults.
"""

from micropython import const

CWMP = "urn:dslforum-org:cwmp-1-"
CWMP_1_2 = "urn:dslforum-org:cwmp-1-2"  # 1.3 and 1.4 have no namespace of their own

_GROWTH = const(768)

_ESCAPES = (b"&amp;", b"<lt;", b">gt;", b'"quot;', b"'apos;", b"\r#13;")  # "<" as "&lt;" ...
_HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"'
    b' xmlns:soap-enc="http://schemas.xmlsoap.org/soap/encoding/"'
    b' xmlns:xsd="http://www.w3.org/2001/XMLSchema"'
    b' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:cwmp="'
)


class Envelope:
    """What one of the ACS says, when its reader is gone.

    `method` is the local name of the Body's child, `arguments` the collector of what it holds.
    """

    message_id = None
    hold_requests = False
    use_cwmp_version = None  # its namespace; "": one that we do not speak
    must_understand_unknown = None  # a header that we had to know and do not
    cwmp_uri = method = None
    fault_code = None
    fault_string = ""
    arguments = None


def escape(text):
    """Text or attribute value as bytes; a character XML cannot carry becomes '?' (CWMP-16)."""
    data = text.encode()
    if not data:
        return data
    if min(data) < 0x20:
        data = bytes([c if c >= 0x20 or c in (9, 10, 13) else 0x3F for c in data])
    if max(data) >= 0xEF:
        data = data.replace(b"\xef\xbf\xbe", b"?").replace(b"\xef\xbf\xbf", b"?")
    for entity in _ESCAPES:
        if entity[0] in data:
            data = data.replace(entity[:1], b"&" + entity[1:])
    return data


_root = ""  # of the data model, where that is not "Device"


def set_root(name):
    """Speak of the data model as one below `name` (CWMP-32)."""
    global _root
    _root = "" if name == "Device" else name


def path(name):
    """A name of the data model, as bytes, as the ACS knows it."""
    if _root:
        name = _root + name[6:] if name.startswith("Device.") else name[1:]
    return escape(name)


def own(path):
    """A name that the ACS sent, as the data model has it."""
    if not _root or not path:
        return path
    # "-" makes a name that is none of ours.
    return "Device" + path[len(_root) :] if path.startswith(_root + ".") else "-" + path


def envelope(uri, message_id, body, *arguments):
    """Pieces of an envelope; `body(*arguments)` gives the Body's. No `message_id`, no Header."""
    yield _HEAD
    yield escape(uri)
    yield b'">'
    if message_id is not None:
        yield b'<soap-env:Header><cwmp:ID soap-env:mustUnderstand="1">'
        yield escape(message_id)
        yield b"</cwmp:ID></soap-env:Header>"
    yield b"<soap-env:Body>"
    yield from body(*arguments)
    yield b"</soap-env:Body></soap-env:Envelope>"


def array_head(name, item_type, count):
    """Start tag of an array, as one piece: `array_head("Event", "cwmp:EventStruct", 2)`."""
    return f'<{name} soap-enc:arrayType="{item_type}[{count}]">'.encode()


def parameter_value(name, text, xsd_type):
    """One ParameterValueStruct as one piece; xsd_type: "string", "boolean", ..."""
    return b"".join(
        (
            b"<ParameterValueStruct><Name>",
            path(name),
            b'</Name><Value xsi:type="xsd:',
            xsd_type.encode(),
            b'">',
            escape(text),
            b"</Value></ParameterValueStruct>",
        )
    )


class Message:
    """Body of one HTTP request. `pieces(*arguments)` gives its bytes, and can do so again.

    `length` in bytes when that is at most `limit`: it is then rendered here, once, at the start of
    `buffer`. Else None: send it chunked. `chunks()` gives the bytes-like pieces, and gives them
    again for a 401 or a redirect.
    """

    def __init__(self, limit, pieces, *arguments):
        self.length = None
        self.buffer = buffer = bytearray()
        size = 0
        for piece in pieces(*arguments):
            end = size + len(piece)
            try:
                while limit >= end > len(buffer):
                    buffer.extend(bytes(_GROWTH))
            except MemoryError:  # then it goes out in pieces
                limit = 0
            if end > limit:
                self.buffer = None
                self._pieces = pieces
                self._arguments = arguments
                return
            buffer[size:end] = piece
            size = end
        self.length = size

    def chunks(self):
        if self.length is None:
            return self._pieces(*self._arguments)
        return (memoryview(self.buffer)[: self.length],) if self.length else ()


EMPTY = Message(0, tuple)  # the POST without a body
